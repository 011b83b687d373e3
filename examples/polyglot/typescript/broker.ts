// How a LeaseMQ client reaches the broker.
import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";

export const transport = createGrpcTransport({
  baseUrl: `http://${process.env.LEASEMQ_ADDRESS || "127.0.0.1:7878"}`,
});

// Aborted is what the transport makes of a connection that broke; the broker itself never says it.
const worthRepeating = [Code.Unavailable, Code.ResourceExhausted, Code.Aborted];

// Any LeaseMQ call may be repeated as it is: for about 8 s here.
export async function retrying<T>(call: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      if (attempt === 4 || !worthRepeating.includes(ConnectError.from(error).code)) throw error;
      await sleep(200 * 3 ** attempt * (0.8 + 0.4 * Math.random()));
    }
  }
}
