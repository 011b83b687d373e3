package main

import (
	"context"
	"crypto/rand"
	"errors"
	"log"
	"maps"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/leasemq/leasemq/examples/polyglot/go/gen/leasemq/v1"
)

const waitDuration = 20 * time.Second

var (
	errLost      = errors.New("the lease is lost")
	errCancelled = errors.New("the job is cancelled")
)

type worker struct {
	api           pb.WorkerServiceClient
	info          *pb.WorkerInfo
	leaseDuration time.Duration
	mu            sync.Mutex
	running       map[string]context.CancelCauseFunc // by lease token
}

// leaseUntil works one job after the other. It never cancels a poll: draining the worker ends it.
func (w *worker) leaseUntil(term context.Context) {
	for term.Err() == nil {
		request := &pb.LeaseJobRequest{Queues: w.info.Queues, WorkerId: w.info.WorkerId, RequestId: rand.Text(),
			LeaseDuration: durationpb.New(w.leaseDuration), WaitDuration: durationpb.New(waitDuration)}
		lease, err := w.lease(request)
		for err != nil && term.Err() == nil {
			log.Print("lease: ", err)
			time.Sleep(time.Second)
			lease, err = w.lease(request) // the same request_id, so the same lease if one was made
		}
		if lease != nil {
			w.run(lease)
		}
	}
}

func (w *worker) lease(request *pb.LeaseJobRequest) (*pb.Lease, error) {
	ctx, cancel := context.WithTimeout(context.Background(), waitDuration+10*time.Second)
	defer cancel()
	response, err := w.api.LeaseJob(ctx, request)
	return response.GetLease(), err
}

func (w *worker) run(lease *pb.Lease) {
	ctx, interrupt := context.WithCancelCause(context.Background())
	w.mu.Lock()
	w.running[lease.LeaseToken] = interrupt
	w.mu.Unlock()
	result, err := sum(ctx, lease.Job.Spec)
	if context.Cause(ctx) != errLost { // a lost lease settles nothing
		if err = w.settle(lease, result, err); err != nil {
			log.Printf("settle %s: %v", lease.Job.Id, err)
		}
	}
	w.mu.Lock() // only now: heartbeats went on until the job was settled
	delete(w.running, lease.LeaseToken)
	w.mu.Unlock()
}

func (w *worker) settle(lease *pb.Lease, result []byte, failed error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if failed == nil {
		_, err := w.api.CompleteJob(ctx, &pb.CompleteJobRequest{LeaseToken: lease.LeaseToken, Result: result})
		return err
	}
	response, err := w.api.FailJob(ctx, &pb.FailJobRequest{LeaseToken: lease.LeaseToken, NonRetryable: errors.Is(failed, errFatal),
		Failure: &pb.Failure{Type: "error", Message: failed.Error()}})
	log.Printf("job %s, attempt %d: %v; now %v", lease.Job.Id, lease.Attempt, failed, response.GetNextState())
	return err
}

// heartbeat keeps the leases of all running jobs alive; a worker without a job says that it is there.
func (w *worker) heartbeat(terminate func()) {
	for tick := time.Tick(w.leaseDuration / 3); ; <-tick {
		w.mu.Lock()
		tokens := slices.Collect(maps.Keys(w.running))
		w.mu.Unlock()
		w.info.Running = uint32(len(tokens))
		ctx, cancel := context.WithTimeout(context.Background(), w.leaseDuration/3)
		response, err := w.api.Heartbeat(ctx, &pb.HeartbeatRequest{Worker: w.info, LeaseTokens: tokens,
			LeaseDuration: durationpb.New(w.leaseDuration)})
		cancel()
		if err != nil {
			log.Print("heartbeat: ", err)
		}
		for _, lease := range response.GetLeases() {
			w.interrupt(lease.LeaseToken, lease.Status)
		}
		if response.GetDirective() == pb.WorkerDirective_WORKER_DIRECTIVE_TERMINATE {
			terminate()
		}
	}
}

func (w *worker) openWatch() (grpc.ServerStreamingClient[pb.WatchWorkerResponse], error) {
	return w.api.WatchWorker(context.Background(), &pb.WatchWorkerRequest{WorkerId: w.info.WorkerId})
}

// watch hears of cancelled jobs at once; the next heartbeat would tell it too, only later.
func (w *worker) watch(stream grpc.ServerStreamingClient[pb.WatchWorkerResponse], err error) {
	for ; ; stream, err = w.openWatch() {
		for err == nil {
			var message *pb.WatchWorkerResponse
			if message, err = stream.Recv(); message.GetCancel() != nil {
				w.interrupt(message.GetCancel().LeaseToken, message.GetCancel().Status)
			}
		}
		log.Print("watch: ", err)
		time.Sleep(time.Second)
	}
}

func (w *worker) interrupt(token string, status pb.LeaseStatus) {
	w.mu.Lock()
	defer w.mu.Unlock()
	stop := w.running[token]
	switch {
	case stop == nil:
	case status == pb.LeaseStatus_LEASE_STATUS_LOST:
		stop(errLost)
	case status == pb.LeaseStatus_LEASE_STATUS_CANCEL_REQUESTED:
		stop(errCancelled)
	}
}
