// The BullMQ side of the benchmarks: one process that adds or works jobs, told what to do by JSON lines on standard input,
// as bench/client.py is for LeaseMQ. Each operation times itself and answers with one JSON line; the harness reads the CPU
// that the process used. Options are BullMQ's defaults but for the retention, which is set to what LeaseMQ keeps by default.
import { createInterface } from "node:readline";
import { Worker as Thread } from "node:worker_threads";
import { Queue, Worker } from "bullmq";
import IORedis from "ioredis";
import { quantiles } from "./quantiles.mjs";

const connection = new IORedis(process.argv[2], { maxRetriesPerRequest: null });
const queues = new Map();
const listeners = new Map();

const nowUs = () => Number(process.hrtime.bigint() / 1000n);
const secondsSince = (startUs) => (nowUs() - startUs) / 1e6;

function queueOf(name) {
  if (!queues.has(name)) {
    const defaultJobOptions = { removeOnComplete: { count: 10_000 }, removeOnFail: { count: 100_000 } };
    queues.set(name, new Queue(name, { connection, defaultJobOptions }));
  }
  return queues.get(name);
}

// A payload that is `bytes` long as JSON.
function payloadOf(bytes, sentUs = 1e15) {
  const data = { sent_us: sentUs, text: "" };
  data.text = "x".repeat(Math.max(0, bytes - JSON.stringify(data).length));
  return data;
}

// Runs `count` calls, `inFlight` of them at a time.
async function inParallel(count, inFlight, call) {
  let next = 0;
  const caller = async () => {
    while (next < count) await call(next++);
  };
  await Promise.all(Array.from({ length: inFlight }, caller));
}

function newWorker(name, concurrency, handler) {
  const worker = new Worker(name, handler, { connection, concurrency, autorun: false });
  worker.on("error", (error) => console.error(error));
  return worker;
}

async function addSingle({ queue, count, in_flight: inFlight, payload_bytes: bytes }) {
  const target = queueOf(queue);
  const data = payloadOf(bytes);
  const start = nowUs();
  await inParallel(count, inFlight, () => target.add("bench", data));
  return { seconds: secondsSince(start) };
}

async function addBatch({ queue, count, batch, in_flight: inFlight, payload_bytes: bytes }) {
  const target = queueOf(queue);
  const data = payloadOf(bytes);
  const start = nowUs();
  await inParallel(Math.ceil(count / batch), inFlight, (index) => {
    const size = Math.min(batch, count - index * batch);
    return target.addBulk(Array.from({ length: size }, () => ({ name: "bench", data })));
  });
  return { seconds: secondsSince(start) };
}

// No-op handlers until `count` jobs are completed, as the store has confirmed.
async function processJobs({ queue, count, concurrency }) {
  const worker = newWorker(queue, concurrency, async () => {});
  await worker.waitUntilReady();
  const start = nowUs();
  await new Promise((resolve, reject) => {
    let completed = 0;
    worker.on("completed", () => {
      if (++completed === count) resolve();
    });
    worker.run().catch(reject);
  });
  const seconds = secondsSince(start);
  await worker.close();
  return { seconds };
}

// Begins to note, in the background, how long after its intended sending each job starts.
async function listen({ queue, concurrency }) {
  const listener = { latencies: [], wanted: Infinity, reached: () => {} };
  listener.worker = newWorker(queue, concurrency, async (job) => {
    listener.latencies.push(nowUs() - job.data.sent_us);
    if (listener.latencies.length >= listener.wanted) listener.reached();
  });
  await listener.worker.waitUntilReady();
  listener.worker.run().catch((error) => console.error(error));
  listeners.set(queue, listener);
  return {};
}

async function heard({ queue, count }) {
  const listener = listeners.get(queue);
  await new Promise((resolve) => {
    listener.wanted = count;
    listener.reached = resolve;
    if (listener.latencies.length >= count) resolve();
  });
  listeners.delete(queue);
  await listener.worker.close();
  return quantiles(listener.latencies);
}

// Open loop: job i is sent at start + i / rate whatever became of those before it. A thread of its own keeps the time,
// since the event loop's timers are a millisecond coarse.
async function pace({ queue, count, rate, payload_bytes: bytes }) {
  const target = queueOf(queue);
  await target.waitUntilReady();
  const adds = [];
  const thread = new Thread(new URL("./pacer.mjs", import.meta.url), { workerData: { count, rate } });
  await new Promise((resolve, reject) => {
    thread.on("message", (sentUs) => adds.push(target.add("bench", payloadOf(bytes, sentUs))));
    thread.on("error", reject);
    thread.on("exit", resolve);
  });
  await Promise.all(adds);
  return {};
}

async function counts({ queue }) {
  const { waiting, active } = await queueOf(queue).getJobCounts("waiting", "active");
  return { waiting, active };
}

const operations = {
  add_single: addSingle,
  add_batch: addBatch,
  process: processJobs,
  listen,
  heard,
  pace,
  counts,
};

async function main() {
  await connection.ping();
  console.log(JSON.stringify({ ready: true }));
  for await (const line of createInterface({ input: process.stdin })) {
    const { operation, ...options } = JSON.parse(line);
    console.log(JSON.stringify(await operations[operation](options)));
  }
}

await main();
process.exit(0);
