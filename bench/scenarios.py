"""What is measured. A scenario is a list of variants; a variant is work that one side does, and a sample what it took."""

import itertools
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial

from bench.peers import BULLMQ, LEASEMQ, Cpu, Peer
from bench.sizes import Sizes
from bench.store import AOF, NO_AOF, StoreKind

PAYLOAD_BYTES = 150
IN_FLIGHT = 256
BATCH = 100
BATCHES_IN_FLIGHT = 4
CALLERS = 8
CONCURRENCY = 100
MEMORY_BATCH = 1_000

SDK, RAW, STREAM, PEER = "LeaseMQ, SDK", "LeaseMQ, raw calls", "LeaseMQ, raw stream", "BullMQ"
ONE_GROUP, MANY_GROUPS = "all of one group", "each of its own group"
SINGLY, BY_BATCHES = "single adds", f"batches of {BATCH}"

Sample = dict[str, float]
Measure = Callable[[Peer, Sizes], Sample]
_queue_numbers = itertools.count(1)


class WrongOutcomeError(Exception):
    """A run left the queue in another state than it should have."""


@dataclass(frozen=True)
class Variant:
    """`case` names what is done, `contender` who does it and how, `peer` the side whose processes do it."""

    case: str
    contender: str
    peer: str
    run: Measure


@dataclass(frozen=True)
class Scenario:
    """`metric` is what ratios are made of; `rounds` overrides how often it is run."""

    name: str
    title: str
    metric: str
    variants: Callable[[Sizes], list[Variant]]
    stores: tuple[StoreKind, ...] = (NO_AOF, AOF)
    rounds: int | None = None


def new_queue() -> str:
    return f"bench-{next(_queue_numbers)}"


def expect(peer: Peer, queue: str, *, waiting: int, active: int = 0) -> None:
    """A fast run that did not do the work is no result."""
    found = peer.counts(queue)
    if (found["waiting"], found["active"]) != (waiting, active):
        msg = f"{peer.name}: {queue} should have {waiting} waiting and {active} active jobs, and has {found}"
        raise WrongOutcomeError(msg)


def cpu_per_job(jobs: int, used: Cpu) -> Sample:
    return {f"{part}_us": seconds / jobs * 1e6 for part, seconds in asdict(used).items()}


def throughput(jobs: int, seconds: float, used: Cpu) -> Sample:
    return {"jobs_per_s": jobs / seconds, **cpu_per_job(jobs, used)}


# How jobs are added and worked: each returns the seconds that the client measured.


def add_singly(peer: Peer, queue: str, jobs: int) -> float:
    answer = peer.producer.call("add_single", queue=queue, count=jobs, in_flight=IN_FLIGHT, payload_bytes=PAYLOAD_BYTES)
    return float(answer["seconds"])


def add_by_batches(peer: Peer, queue: str, jobs: int) -> float:
    how_many = {"count": jobs, "batch": BATCH, "in_flight": BATCHES_IN_FLIGHT}
    return float(peer.producer.call("add_batch", queue=queue, payload_bytes=PAYLOAD_BYTES, **how_many)["seconds"])


def add_raw(peer: Peer, queue: str, jobs: int, *, batch: int, in_flight: int, groups: int = 0, streamed: bool = False) -> float:
    how = {"count": jobs, "batch": batch, "in_flight": in_flight, "groups": groups, "streamed": streamed}
    return float(peer.producer.call("raw_add", queue=queue, payload_bytes=PAYLOAD_BYTES, **how)["seconds"])


def work(peer: Peer, queue: str, jobs: int) -> float:
    return float(peer.worker.call("process", queue=queue, count=jobs, concurrency=CONCURRENCY)["seconds"])


def work_raw(peer: Peer, queue: str, jobs: int, *, batch: int, in_flight: int, by: str = "raw_process") -> float:  # noqa: ARG001 - called in the place of work()
    return float(peer.worker.call(by, queue=queue, batch=batch, in_flight=in_flight)["seconds"])


Step = Callable[[Peer, str, int], float]
add_unary: Step = partial(add_raw, batch=1, in_flight=IN_FLIGHT)
add_raw_batches: Step = partial(add_raw, batch=BATCH, in_flight=BATCHES_IN_FLIGHT)
add_raw_streamed: Step = partial(add_raw, batch=BATCH, in_flight=BATCHES_IN_FLIGHT, streamed=True)
work_raw_batches: Step = partial(work_raw, batch=BATCH, in_flight=BATCHES_IN_FLIGHT)
work_raw_stream: Step = partial(work_raw, batch=BATCH, in_flight=BATCHES_IN_FLIGHT, by="raw_stream")


# What is measured of it.


def adding(add: Step, jobs: Callable[[Sizes], int], peer: Peer, sizes: Sizes) -> Sample:
    queue, before = new_queue(), peer.cpu()
    seconds = add(peer, queue, jobs(sizes))
    used = peer.cpu().since(before)
    expect(peer, queue, waiting=jobs(sizes))
    return throughput(jobs(sizes), seconds, used)


def processing(step: Step, peer: Peer, sizes: Sizes) -> Sample:
    queue = new_queue()
    add_by_batches(peer, queue, sizes.jobs)
    before = peer.cpu()
    seconds = step(peer, queue, sizes.jobs)
    used = peer.cpu().since(before)
    expect(peer, queue, waiting=0)
    return throughput(sizes.jobs, seconds, used)


def living(add: Step, process: Step, jobs: Callable[[Sizes], int], peer: Peer, sizes: Sizes) -> Sample:
    """The lifecycle: all jobs are added by one process, then all are worked by another; both times count."""
    queue, before = new_queue(), peer.cpu()
    seconds = add(peer, queue, jobs(sizes)) + process(peer, queue, jobs(sizes))
    used = peer.cpu().since(before)
    expect(peer, queue, waiting=0)
    return throughput(jobs(sizes), seconds, used)


def latency(rate: int, peer: Peer, sizes: Sizes) -> Sample:
    """From the intended send time to the start of the handler, a worker process waiting for a producer process."""
    queue, count = new_queue(), round(sizes.latency_s_by_rate[rate] * rate)
    peer.worker.call("listen", queue=queue, concurrency=CONCURRENCY)
    before = peer.cpu()
    peer.producer.call("pace", queue=queue, count=count, rate=rate, payload_bytes=PAYLOAD_BYTES)
    quantiles = peer.worker.call("heard", queue=queue, count=count)
    used = peer.cpu().since(before)
    expect(peer, queue, waiting=0)
    return {**{name: float(value) for name, value in quantiles.items()}, **cpu_per_job(count, used)}


def memory(peer: Peer, sizes: Sizes) -> Sample:
    queue, before = new_queue(), peer.store.used_bytes()
    how_many = {"count": sizes.memory_jobs, "batch": MEMORY_BATCH, "in_flight": 1}
    peer.producer.call("add_batch", queue=queue, payload_bytes=PAYLOAD_BYTES, **how_many)
    after = peer.store.used_bytes()
    expect(peer, queue, waiting=sizes.memory_jobs)
    return {"bytes_per_job": (after - before) / sizes.memory_jobs}


def scripts(step: str, batch: int, peer: Peer, sizes: Sizes) -> Sample:
    """One verb's script calls as the store itself accounts for them, one call in flight."""
    queue, jobs = new_queue(), sizes.store_jobs_by_batch[batch]
    steps: dict[str, Callable[[], object]] = {
        "add": lambda: add_raw(peer, queue, jobs, batch=batch, in_flight=1),
        "lease": lambda: peer.producer.call("raw_lease", queue=queue, count=jobs, batch=batch),
        "complete": lambda: peer.producer.call("raw_complete", queue=queue, batch=batch),
    }
    for name, do in steps.items():
        if name == step:
            peer.store.begin_script_stats()
        do()
        if name == step:
            break
    stats = peer.store.end_script_stats()
    return {
        "us_per_call": stats.microseconds / stats.calls,
        "us_per_job": stats.microseconds / jobs,
        "longest_us": stats.longest_us,
    }


# The scenarios.


def all_jobs(sizes: Sizes) -> int:
    return sizes.jobs


def add_single_variants(_: Sizes) -> list[Variant]:
    case = f"single adds, {IN_FLIGHT} in flight"
    return [
        Variant(case, SDK, LEASEMQ, partial(adding, add_singly, all_jobs)),
        Variant(case, RAW, LEASEMQ, partial(adding, add_unary, lambda sizes: sizes.unary_jobs)),
        Variant(case, PEER, BULLMQ, partial(adding, add_singly, all_jobs)),
    ]


def add_batch_variants(_: Sizes) -> list[Variant]:
    case = f"batches of {BATCH}, {BATCHES_IN_FLIGHT} in flight"
    return [
        Variant(case, SDK, LEASEMQ, partial(adding, add_by_batches, all_jobs)),
        Variant(case, RAW, LEASEMQ, partial(adding, add_raw_batches, all_jobs)),
        Variant(case, STREAM, LEASEMQ, partial(adding, add_raw_streamed, all_jobs)),
        Variant(case, PEER, BULLMQ, partial(adding, add_by_batches, all_jobs)),
    ]


def process_variants(_: Sizes) -> list[Variant]:
    case = f"no-op, concurrency {CONCURRENCY}"
    return [
        Variant(case, SDK, LEASEMQ, partial(processing, work)),
        Variant(case, RAW, LEASEMQ, partial(processing, work_raw_batches)),
        Variant(case, STREAM, LEASEMQ, partial(processing, work_raw_stream)),
        Variant(case, PEER, BULLMQ, partial(processing, work)),
    ]


def lifecycle_variants(_: Sizes) -> list[Variant]:
    return [
        Variant(SINGLY, SDK, LEASEMQ, partial(living, add_singly, work, all_jobs)),
        Variant(SINGLY, PEER, BULLMQ, partial(living, add_singly, work, all_jobs)),
        Variant(BY_BATCHES, SDK, LEASEMQ, partial(living, add_by_batches, work, all_jobs)),
        Variant(BY_BATCHES, RAW, LEASEMQ, partial(living, add_raw_batches, work_raw_batches, all_jobs)),
        Variant(BY_BATCHES, STREAM, LEASEMQ, partial(living, add_raw_streamed, work_raw_stream, all_jobs)),
        Variant(BY_BATCHES, PEER, BULLMQ, partial(living, add_by_batches, work, all_jobs)),
    ]


def latency_variants(sizes: Sizes) -> list[Variant]:
    return [
        Variant(f"{rate:,} jobs/s", contender, peer, partial(latency, rate))
        for rate in sizes.latency_s_by_rate
        for contender, peer in ((SDK, LEASEMQ), (PEER, BULLMQ))
    ]


def group_variants(sizes: Sizes) -> list[Variant]:
    def lived(groups: int) -> Measure:
        add = partial(add_raw, batch=BATCH, in_flight=BATCHES_IN_FLIGHT, groups=groups)
        return partial(living, add, work_raw_batches, lambda sizes: sizes.group_jobs)

    cases = {"no group": 0, ONE_GROUP: 1, MANY_GROUPS: sizes.group_jobs}
    return [Variant(f"{sizes.group_jobs:,} jobs, {case}", RAW, LEASEMQ, lived(groups)) for case, groups in cases.items()]


def memory_variants(sizes: Sizes) -> list[Variant]:
    case = f"{sizes.memory_jobs:,} waiting jobs, {PAYLOAD_BYTES} B payload"
    return [Variant(case, SDK, LEASEMQ, memory), Variant(case, PEER, BULLMQ, memory)]


def batch_size_variants(sizes: Sizes) -> list[Variant]:
    def lived(batch: int) -> Measure:
        add, process = partial(add_raw, batch=batch, in_flight=CALLERS), partial(work_raw, batch=batch, in_flight=CALLERS)
        return partial(living, add, process, lambda sizes: sizes.jobs_by_batch[batch])

    return [Variant(f"{batch} a call", RAW, LEASEMQ, lived(batch)) for batch in sizes.jobs_by_batch]


def store_variants(sizes: Sizes) -> list[Variant]:
    return [
        Variant(f"{step}, {batch:,} a call", RAW, LEASEMQ, partial(scripts, step, batch))
        for step in ("add", "lease", "complete")
        for batch in sizes.store_jobs_by_batch
    ]


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("add-single", "Adding jobs one by one", "jobs_per_s", add_single_variants),
        Scenario("add-batch", "Adding jobs in batches", "jobs_per_s", add_batch_variants),
        Scenario("process", "Working jobs that wait", "jobs_per_s", process_variants),
        Scenario("lifecycle", "Add all, then work all", "jobs_per_s", lifecycle_variants),
        Scenario("latency", "From add to start, open loop", "p50_ms", latency_variants),
        Scenario("groups", "Add all, then work all, by groups", "jobs_per_s", group_variants, stores=(NO_AOF,)),
        Scenario("memory", "Memory of a waiting job", "bytes_per_job", memory_variants, stores=(NO_AOF,), rounds=1),
        Scenario("batch-sizes", f"Add, lease and complete by raw calls, {CALLERS} in flight", "jobs_per_s", batch_size_variants),
        Scenario("store", "Time in the store's scripts", "us_per_job", store_variants, stores=(NO_AOF,), rounds=1),
    )
}
