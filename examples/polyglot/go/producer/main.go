// A LeaseMQ producer on plain generated stubs: it adds jobs, waits for each and prints what came of it.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/leasemq/leasemq/examples/polyglot/go/broker"
	pb "github.com/leasemq/leasemq/examples/polyglot/go/gen/leasemq/v1"
)

const batchSize = 1000 // the most that one BatchAddJobs takes

func main() {
	queue := flag.String("queue", "polyglot", "the queue to add to")
	count := flag.Int("jobs", 10, "how many jobs to add")
	name := flag.String("name", "sum", `the jobs' name; "fail" makes the workers fail them`)
	flag.Parse()
	conn, err := broker.Dial()
	if err != nil {
		log.Fatal(err)
	}
	producer := pb.NewProducerServiceClient(conn)
	ids, err := add(producer, *queue, *name, *count)
	if err != nil {
		log.Fatal("add: ", err)
	}
	failed := false
	for _, id := range ids {
		job, err := await(producer, *queue, id)
		if err != nil {
			log.Fatal("await: ", err)
		}
		if job.State == pb.JobState_JOB_STATE_COMPLETED {
			fmt.Printf("%s %s\n", id, job.Result)
			continue
		}
		failed = true
		state := strings.TrimPrefix(job.State.String(), "JOB_STATE_")
		fmt.Printf("%s %s after %d attempts: %s\n", id, state, job.Attempt, reason(job))
	}
	if failed {
		os.Exit(1)
	}
}

// add chooses the ids itself: when gRPC repeats a call whose reply was lost, no job is added twice.
func add(producer pb.ProducerServiceClient, queue, name string, count int) ([]string, error) {
	retry := &pb.RetryPolicy{MaxAttempts: 2, Backoff: &pb.Backoff{
		Kind: &pb.Backoff_Fixed{Fixed: &pb.FixedBackoff{Delay: durationpb.New(200 * time.Millisecond)}}}}
	var ids []string
	var jobs []*pb.JobSpec
	for i := range count {
		payload, err := json.Marshal(map[string]any{"numbers": []int{i, i + 1}})
		if err != nil {
			return nil, err
		}
		ids = append(ids, rand.Text())
		jobs = append(jobs, &pb.JobSpec{Id: ids[i], Name: name, Payload: payload, Retry: retry})
	}
	for batch := range slices.Chunk(jobs, batchSize) {
		if _, err := producer.BatchAddJobs(context.Background(), &pb.BatchAddJobsRequest{Queue: queue, Jobs: batch}); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

func await(producer pb.ProducerServiceClient, queue, id string) (*pb.Job, error) {
	request := &pb.AwaitJobRequest{Queue: queue, JobId: id, WaitDuration: durationpb.New(20 * time.Second)}
	for {
		response, err := producer.AwaitJob(context.Background(), request)
		if err != nil || response.Finished {
			return response.GetJob(), err
		}
	}
}

func reason(job *pb.Job) string {
	if len(job.Failures) == 0 {
		return "no failure recorded"
	}
	return job.Failures[len(job.Failures)-1].Message
}
