package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	pb "github.com/leasemq/leasemq/examples/polyglot/go/gen/leasemq/v1"
)

// errFatal marks a failure that no further attempt can mend.
var errFatal = errors.New("not retryable")

// sum is the handler: it adds up the payload's numbers. A job called "fail" fails, to show what a retry looks like.
func sum(ctx context.Context, job *pb.JobSpec) ([]byte, error) {
	var payload struct {
		Numbers []float64 `json:"numbers"`
		Seconds float64   `json:"seconds"` // how long to pretend that it takes
	}
	if err := json.Unmarshal(job.Payload, &payload); err != nil {
		return nil, fmt.Errorf("%w: %w", errFatal, err)
	}
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-time.After(time.Duration(payload.Seconds * float64(time.Second))):
	}
	if job.Name == "fail" {
		return nil, errors.New("asked to fail")
	}
	total := 0.0
	for _, number := range payload.Numbers {
		total += number
	}
	return json.Marshal(map[string]any{"sum": total, "language": "go"})
}
