// Sends the main thread each intended send time, in microseconds of the monotonic clock, when it has come.
import { parentPort, workerData } from "node:worker_threads";

const nowUs = () => Number(process.hrtime.bigint() / 1000n);
const never = new Int32Array(new SharedArrayBuffer(4));

const start = nowUs() + 50_000;
for (let i = 0; i < workerData.count; i++) {
  const due = start + Math.round((i * 1e6) / workerData.rate);
  const wait = due - nowUs();
  if (wait > 0) Atomics.wait(never, 0, 0, wait / 1000);
  parentPort.postMessage(due);
}
