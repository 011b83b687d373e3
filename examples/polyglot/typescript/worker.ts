// A LeaseMQ worker on plain generated stubs. SIGTERM or Ctrl-C drains it.
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { retrying, transport } from "./broker.js";
import { type Lease, LeaseStatus, WorkerDirective, WorkerService } from "./gen/leasemq/v1/worker_pb.js";
import { Fatal, sum } from "./sum.js";

const options = parseArgs({
  options: {
    queue: { type: "string", default: "polyglot" },
    concurrency: { type: "string", default: "4" },
    "lease-seconds": { type: "string", default: "30" },
  },
}).values;
const queues = [options.queue];
const concurrency = Number(options.concurrency);
const leaseMs = Math.round(Number(options["lease-seconds"]) * 1000);
const heartbeatMs = Math.round(leaseMs / 3);
const waitMs = 20_000;

const api = createClient(WorkerService, transport);
const workerId = `typescript-${randomUUID()}`;
const running = new Map<string, AbortController>(); // by lease token
const lost = new Error("the lease is lost");
const cancelled = new Error("the job is cancelled");
let draining = false;

// Works one job after the other. It never cancels a poll: draining the worker ends it.
async function leaseUntilDrained(): Promise<void> {
  while (!draining) {
    const lease = await poll(randomUUID());
    if (lease) await run(lease);
  }
}

async function poll(requestId: string): Promise<Lease | undefined> {
  const [leaseDuration, waitDuration] = [durationFromMs(leaseMs), durationFromMs(waitMs)];
  const request = { queues, workerId, requestId, leaseDuration, waitDuration };
  for (;;) {
    try {
      return (await retrying(() => api.leaseJob(request, { timeoutMs: waitMs + 10_000 }))).lease;
    } catch (error) {
      console.error(`lease: ${error}`);
      if (draining) return undefined;
      await sleep(1000); // then again with the same request_id: the same lease, if one was made
    }
  }
}

async function run({ leaseToken, job, attempt }: Lease): Promise<void> {
  const interrupt = new AbortController();
  running.set(leaseToken, interrupt);
  const settle = await sum(job!.spec!, interrupt.signal).then(
    (result) => () => api.completeJob({ leaseToken, result }, { timeoutMs: 10_000 }),
    (thrown: Error) => {
      const error = interrupt.signal.reason ?? thrown;
      console.error(`job ${job!.id}, attempt ${attempt}: ${error.message}`);
      const failure = { type: error.name, message: error.message, stackTrace: error.stack };
      return () => api.failJob({ leaseToken, failure, nonRetryable: error instanceof Fatal }, { timeoutMs: 10_000 });
    },
  );
  if (interrupt.signal.reason !== lost) { // a lost lease settles nothing
    await retrying<unknown>(settle).catch((error) => console.error(`settle ${job!.id}: ${error}`));
  }
  running.delete(leaseToken); // only now: heartbeats went on until the job was settled
}

// Keeps the leases of all running jobs alive; a worker without a job says that it is there.
async function heartbeat(): Promise<void> {
  const worker = {
    workerId, hostname: hostname(), pid: process.pid, language: "typescript", queues, concurrency, running: running.size,
  };
  const request = { worker, leaseTokens: [...running.keys()], leaseDuration: durationFromMs(leaseMs) };
  try {
    const { leases, directive } = await api.heartbeat(request, { timeoutMs: heartbeatMs });
    for (const { leaseToken, status } of leases) interruptIfTold(leaseToken, status);
    if (directive === WorkerDirective.TERMINATE) drain();
  } catch (error) {
    console.error(`heartbeat: ${error}`);
  }
}

// Hears of cancelled jobs at once; the next heartbeat would tell it too, only later.
async function watch(): Promise<never> {
  for (;;) {
    try {
      for await (const { message } of api.watchWorker({ workerId })) {
        if (message.case === "cancel") interruptIfTold(message.value.leaseToken, message.value.status);
      }
    } catch (error) {
      console.error(`watch: ${error}`);
    }
    await sleep(1000);
  }
}

function interruptIfTold(leaseToken: string, status: LeaseStatus): void {
  if (status === LeaseStatus.LOST) running.get(leaseToken)?.abort(lost);
  if (status === LeaseStatus.CANCEL_REQUESTED) running.get(leaseToken)?.abort(cancelled);
}

function drain(): void {
  if (draining) return;
  draining = true;
  console.error("draining");
  retrying(() => api.drainWorker({ workerId }, { timeoutMs: 10_000 })).catch((error) => {
    console.error(`drain: ${error}`); // the polls then end when their wait is over
  });
}

process.once("SIGTERM", drain); // once: a second signal kills
process.once("SIGINT", drain);
void watch(); // opened before the first lease
void heartbeat();
setInterval(heartbeat, heartbeatMs);
await Promise.all(Array.from({ length: concurrency }, leaseUntilDrained));
console.error("drained");
process.exit(0);
