import { setTimeout as sleep } from "node:timers/promises";
import type { JobSpec } from "./gen/leasemq/v1/job_pb.js";

// A failure that no further attempt can mend.
export class Fatal extends Error {}

// The handler: it adds up the payload's numbers. A job called "fail" fails, to show what a retry looks like.
export async function sum(job: JobSpec, signal: AbortSignal): Promise<Uint8Array> {
  const { numbers = [], seconds = 0 } = parse(job.payload);
  await sleep(seconds * 1000, undefined, { signal }); // to pretend that it takes long
  if (job.name === "fail") throw new Error("asked to fail");
  const total = numbers.reduce((left, right) => left + right, 0);
  return new TextEncoder().encode(JSON.stringify({ sum: total, language: "typescript" }));
}

function parse(payload: Uint8Array): { numbers?: number[]; seconds?: number } {
  try {
    return JSON.parse(new TextDecoder().decode(payload));
  } catch (error) {
    throw new Fatal(String(error));
  }
}
