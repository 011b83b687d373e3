// A LeaseMQ producer on plain generated stubs: it adds jobs, waits for each and prints what came of it.
import { randomUUID } from "node:crypto";
import { parseArgs } from "node:util";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { retrying, transport } from "./broker.js";
import { type Job, JobState } from "./gen/leasemq/v1/job_pb.js";
import { ProducerService } from "./gen/leasemq/v1/producer_pb.js";

const { queue, jobs: count, name } = parseArgs({
  options: {
    queue: { type: "string", default: "polyglot" },
    jobs: { type: "string", default: "10" },
    name: { type: "string", default: "sum" }, // "fail" makes the workers fail them
  },
}).values;
const batchSize = 1000; // the most that one BatchAddJobs takes
const producer = createClient(ProducerService, transport);

// The ids are chosen here: when a call whose reply was lost is repeated, no job is added twice.
async function add(count: number): Promise<string[]> {
  const retry = { maxAttempts: 2, backoff: { kind: { case: "fixed" as const, value: { delay: durationFromMs(200) } } } };
  const jobs = Array.from({ length: count }, (_, i) => {
    const payload = new TextEncoder().encode(JSON.stringify({ numbers: [i, i + 1] }));
    return { id: randomUUID(), name, payload, retry };
  });
  for (let from = 0; from < count; from += batchSize) {
    await retrying(() => producer.batchAddJobs({ queue, jobs: jobs.slice(from, from + batchSize) }));
  }
  return jobs.map(({ id }) => id);
}

async function finished(jobId: string): Promise<Job> {
  for (;;) {
    const request = { queue, jobId, waitDuration: durationFromMs(20_000) };
    const { job, finished } = await retrying(() => producer.awaitJob(request));
    if (job && finished) return job;
  }
}

for (const id of await add(Number(count))) {
  const { state, result, attempt, failures } = await finished(id);
  if (state === JobState.COMPLETED) {
    console.log(`${id} ${new TextDecoder().decode(result)}`);
  } else {
    console.log(`${id} ${JobState[state]} after ${attempt} attempts: ${failures.at(-1)?.message ?? "no failure recorded"}`);
    process.exitCode = 1;
  }
}
process.exit(); // the connection would keep the process alive
