// Package broker dials the broker as every LeaseMQ client should.
package broker

import (
	"cmp"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// Any LeaseMQ call may be repeated as it is, so gRPC may do it: for the half minute that a lease lasts.
const retries = `{"methodConfig": [{"name": [{}], "retryPolicy": {
	"maxAttempts": 12, "initialBackoff": "0.2s", "backoffMultiplier": 2, "maxBackoff": "5s",
	"retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"]}}]}`

// Dial makes a connection, opened by the first call, to $LEASEMQ_ADDRESS or else to a broker on this machine.
func Dial() (*grpc.ClientConn, error) {
	address := cmp.Or(os.Getenv("LEASEMQ_ADDRESS"), "127.0.0.1:7878")
	return grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(retries), grpc.WithMaxCallAttempts(12))
}
