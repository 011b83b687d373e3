// How a LeaseMQ client reaches the broker.
import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";

export const transport = createGrpcTransport({
  baseUrl: `http://${process.env.LEASEMQ_ADDRESS || "127.0.0.1:7878"}`,
});

// Aborted and Internal are what this transport makes of a connection that breaks or is being closed.
const worthRepeating = [Code.Unavailable, Code.ResourceExhausted, Code.Aborted, Code.Internal];

// Any LeaseMQ call may be repeated as it is: here for the half minute that a lease lasts.
export async function retrying<T>(call: () => Promise<T>): Promise<T> {
  const giveUp = Date.now() + 30_000;
  for (let wait = 200; ; wait = Math.min(wait * 2, 5_000)) {
    try {
      return await call();
    } catch (error) {
      if (Date.now() > giveUp || !worthRepeating.includes(ConnectError.from(error).code)) throw error;
      await sleep(wait * (0.8 + 0.4 * Math.random()));
    }
  }
}
