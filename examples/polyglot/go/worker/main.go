// A LeaseMQ worker on plain generated stubs. SIGTERM or Ctrl-C drains it.
package main

import (
	"context"
	"crypto/rand"
	"flag"
	"log"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/leasemq/leasemq/examples/polyglot/go/broker"
	pb "github.com/leasemq/leasemq/examples/polyglot/go/gen/leasemq/v1"
)

func main() {
	queue := flag.String("queue", "polyglot", "the queue to lease from")
	concurrency := flag.Uint("concurrency", 4, "how many jobs run at a time")
	leaseSeconds := flag.Float64("lease-seconds", 30, "how long a lease lives without a heartbeat")
	flag.Parse()
	conn, err := broker.Dial()
	if err != nil {
		log.Fatal(err)
	}
	hostname, _ := os.Hostname()
	w := &worker{
		api: pb.NewWorkerServiceClient(conn),
		info: &pb.WorkerInfo{WorkerId: "go-" + rand.Text(), Hostname: hostname, Pid: uint32(os.Getpid()), Language: "go",
			Queues: []string{*queue}, Concurrency: uint32(*concurrency)},
		leaseDuration: time.Duration(*leaseSeconds * float64(time.Second)),
		running:       map[string]context.CancelCauseFunc{},
	}
	term, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go w.watch(w.openWatch()) // opened here, before the first lease
	go w.heartbeat(stop)
	var slots sync.WaitGroup
	for range *concurrency {
		slots.Go(func() { w.leaseUntil(term) })
	}
	<-term.Done()
	stop() // from here on a second signal kills
	log.Print("draining")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := w.api.DrainWorker(ctx, &pb.DrainWorkerRequest{WorkerId: w.info.WorkerId}); err != nil {
		log.Print("drain: ", err) // the polls then end when their wait is over
	}
	slots.Wait()
	log.Print("drained")
}
