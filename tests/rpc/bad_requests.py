"""Every rule of the contract, broken one at a time: the call, and the error that it must get."""

import base64
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Value
from google.protobuf.timestamp_pb2 import Timestamp
from leasemq.v1 import admin_pb2 as admin
from leasemq.v1 import job_pb2 as job
from leasemq.v1 import producer_pb2 as producer
from leasemq.v1 import schedule_pb2 as schedule
from leasemq.v1 import worker_pb2 as worker
from leasemq_server.jobs.pages import listing_of, page_token

from tests.support import seconds

TEN_YEARS = seconds(10 * 366 * 86_400 + 1)
NEGATIVE = Duration(seconds=-1)
HUGE = Duration(seconds=315_576_000_000)
MIXED = Duration(seconds=1, nanos=-1)
LONG = "x" * 129
BAD_QUEUES = ["", "has{brace", "has}brace", "new\nline", "-first", ".first", "with space", "slash/ed", "ünïcode", LONG, "nul\0"]
MIB = 1024 * 1024
GARBAGE_PAGES = ["garbage", "!!!", "e30=", base64.urlsafe_b64encode(b"[" * 5000).decode(), "\u2713"]


class Bad(NamedTuple):
    """A request that breaks one rule."""

    name: str
    rpc: str
    request: Message
    fields: list[str]
    reason: str = "INVALID_FIELD"
    metadata: dict[str, str] | None = None


class Scene(NamedTuple):
    """What bad requests come in with: the token of q's active job, and pages of two listings."""

    token: str
    queues_page: str
    jobs_page: str


def _spec(**said: Any) -> job.JobSpec:
    return job.JobSpec(**{"name": "n", **said})


def _add(what: str, field: str, /, *, reason: str = "INVALID_FIELD", metadata: dict[str, str] | None = None, **said: Any) -> Bad:
    request = producer.AddJobRequest(queue="q", job=_spec(**said))
    return Bad(f"job: {what}", "producer.AddJob", request, [f"job.{field}"], reason, metadata)


def bad_adds() -> Iterator[Bad]:
    for queue in BAD_QUEUES:
        yield Bad(f"queue {queue[:12]!r}", "producer.AddJob", producer.AddJobRequest(queue=queue, job=_spec()), ["queue"])
    yield Bad("no job", "producer.AddJob", producer.AddJobRequest(queue="q"), ["job", "job.name"])
    for durability in (99, -1):
        request = producer.AddJobRequest(queue="q", job=_spec(), durability=durability)
        yield Bad(f"durability {durability}", "producer.AddJob", request, ["durability"])
    both = producer.AddJobRequest(queue="a b", job=_spec(name="", priority=2_097_152))
    yield Bad("three at once", "producer.AddJob", both, ["queue", "job.name", "job.priority"])
    yield _add("no name", "name", name="")
    yield _add("long name", "name", name=LONG)
    yield _add("name with a newline", "name", name="a\nb")
    limits = {"limit_bytes": str(MIB), "size_bytes": str(MIB + 1)}
    yield _add("payload", "payload", reason="PAYLOAD_TOO_LARGE", metadata=limits, payload=b"x" * (MIB + 1))
    yield _add("long content type", "content_type", content_type=LONG)
    yield _add("65 headers", "headers", headers={str(number): "" for number in range(65)})
    yield _add("headers of 16 KiB and one byte", "headers", headers={"a": "x" * 16_384})
    yield _add("empty header name", "headers", headers={"": "x"})
    yield _add("long id", "id", id=LONG)
    yield _add("id with a control character", "id", id="a\x07")
    yield _add("priority", "priority", priority=2_097_152)
    yield _add("long group", "group", group=LONG)
    yield _add("group with a tab", "group", group="a\tb")
    yield _add("own dead-letter queue", "dead_letter_queue", dead_letter_queue="q")
    yield _add("dead-letter queue with a brace", "dead_letter_queue", dead_letter_queue="{d}")
    for seconds_since_1970 in (-62_135_596_801, 253_402_300_800, 2**62, -(2**62)):
        yield _add(f"run_time {seconds_since_1970}", "run_time", run_time=Timestamp(seconds=seconds_since_1970))


def bad_spans_of_jobs() -> Iterator[Bad]:
    for name, span in (("negative", NEGATIVE), ("huge", HUGE), ("over ten years", TEN_YEARS), ("of two signs", MIXED)):
        yield _add(f"{name} delay", "delay", delay=span)
        yield _add(f"{name} timeout", "timeout", timeout=span)
        yield _add(f"{name} ttl", "ttl", ttl=span)
        yield _add(f"{name} completed age", "completed_retention.max_age", completed_retention=job.Retention(max_age=span))
        yield _add(f"{name} failed age", "failed_retention.max_age", failed_retention=job.Retention(max_age=span))
        yield _backoff(f"{name} fixed", "fixed.delay", fixed=job.FixedBackoff(delay=span))
        first = job.ExponentialBackoff(initial_delay=span)
        yield _backoff(f"{name} exponential", "exponential.initial_delay", exponential=first)
        longest = job.ExponentialBackoff(initial_delay=seconds(1), max_delay=span)
        yield _backoff(f"{name} longest", "exponential.max_delay", exponential=longest)
        yield _backoff(f"{name} in a list", "list.delays[1]", list=job.ListBackoff(delays=[seconds(1), span]))
    yield _add("no timeout at all", "timeout", timeout=Duration())
    yield _add("no time to live at all", "ttl", ttl=Duration())


def bad_deduplications() -> Iterator[Bad]:
    def said(what: str, field: str, **deduplication: Any) -> Bad:
        key = {"key": "k", **deduplication}
        return _add(f"deduplication: {what}", f"deduplication.{field}", deduplication=job.Deduplication(**key))

    yield said("no key", "key", key="")
    yield said("long key", "key", key=LONG)
    yield said("key with a newline", "key", key="a\nb")
    yield said("mode 99", "mode", mode=99)
    yield said("throttle without a ttl", "ttl", mode=job.DEDUPLICATION_MODE_THROTTLE)
    yield said("keep latest with a ttl", "ttl", mode=job.DEDUPLICATION_MODE_KEEP_LATEST, ttl=seconds(1))
    both = {"deduplication": job.Deduplication(key="k"), "dependencies": [_on("waiting")]}
    yield _add("a key and dependencies", "deduplication", **both)
    yield _flow("a key", ["nodes[0].job.deduplication"], _node("a", deduplication=job.Deduplication(key="k")))
    yield said("debounce without a delay", "mode", mode=job.DEDUPLICATION_MODE_DEBOUNCE)
    for span in (Duration(), NEGATIVE, TEN_YEARS, MIXED):
        yield said(f"ttl {span}", "ttl", ttl=span)
    remove = producer.RemoveDeduplicationKeyRequest
    yield Bad("no key", "producer.RemoveDeduplicationKey", remove(queue="q"), ["key"])
    yield Bad("long key", "producer.RemoveDeduplicationKey", remove(queue="q", key=LONG), ["key"])
    yield Bad("queue", "producer.RemoveDeduplicationKey", remove(queue="a b", key="k"), ["queue"])


def _backoff(name: str, field: str, **said: Any) -> Bad:
    retry = job.RetryPolicy(max_attempts=2, backoff=job.Backoff(**said))
    return _add(f"backoff: {name}", f"retry.backoff{'.' * bool(field)}{field}", retry=retry)


def bad_retries() -> Iterator[Bad]:
    yield _add("a million attempts and one", "retry.max_attempts", retry=job.RetryPolicy(max_attempts=1_000_001))
    yield _backoff("no kind", "", jitter=0.5)
    yield _backoff("fixed without a delay", "fixed.delay", fixed=job.FixedBackoff())
    yield _backoff("exponential without a start", "exponential.initial_delay", exponential=job.ExponentialBackoff())
    yield _backoff("empty list", "list.delays", list=job.ListBackoff())
    yield _backoff("list of 101", "list.delays", list=job.ListBackoff(delays=[seconds(1)] * 101))
    for jitter in (-0.1, 1.1, math.nan, math.inf):
        yield _backoff(f"jitter {jitter}", "jitter", fixed=job.FixedBackoff(delay=seconds(1)), jitter=jitter)
    for multiplier in (0.5, -2, 1001, math.nan, math.inf):
        growth = job.ExponentialBackoff(initial_delay=seconds(1), multiplier=multiplier)
        yield _backoff(f"multiplier {multiplier}", "exponential.multiplier", exponential=growth)


def bad_batches() -> Iterator[Bad]:
    def batch(name: str, jobs: list[job.JobSpec], fields: list[str], **more: Any) -> Bad:
        return Bad(f"batch: {name}", "producer.BatchAddJobs", producer.BatchAddJobsRequest(queue="q", jobs=jobs), fields, **more)

    yield batch("empty", [], ["jobs"])
    limits = {"limit": "1000", "size": "1001"}
    yield batch("1,001 jobs", [_spec()] * 1001, ["jobs"], reason="BATCH_TOO_LARGE", metadata=limits)
    yield batch("one bad among good", [_spec(), _spec(name=""), _spec()], ["jobs[1].name"])
    large = [_spec(), _spec(payload=b"x" * (MIB + 1))]
    yield batch("one payload", large, ["jobs[1].payload"], reason="PAYLOAD_TOO_LARGE")


def bad_reads() -> Iterator[Bad]:
    for rpc, request in (
        ("producer.GetJob", producer.GetJobRequest),
        ("producer.AwaitJob", producer.AwaitJobRequest),
        ("producer.CancelJob", producer.CancelJobRequest),
        ("admin.ListJobLogs", admin.ListJobLogsRequest),
    ):
        yield Bad("queue", rpc, request(queue="a b", job_id="waiting"), ["queue"])
        yield Bad("no id", rpc, request(queue="q"), ["job_id"])
        yield Bad("long id", rpc, request(queue="q", job_id=LONG), ["job_id"])
        unknown = {"queue": "q", "job_id": "unknown"}
        yield Bad("unknown id", rpc, request(queue="q", job_id="unknown"), [], "JOB_NOT_FOUND", unknown)
    mask = FieldMask(paths=["state", "colour", "spec.colour", "failures.kind"])
    yield Bad("mask", "producer.GetJob", producer.GetJobRequest(queue="q", job_id="waiting", read_mask=mask), ["read_mask"])
    for name, span in (("negative", NEGATIVE), ("of two signs", MIXED)):
        request = producer.AwaitJobRequest(queue="q", job_id="waiting", wait_duration=span)
        yield Bad(f"{name} wait", "producer.AwaitJob", request, ["wait_duration"])
    reason = producer.CancelJobRequest(queue="q", job_id="waiting", reason="x" * 1025)
    yield Bad("long reason", "producer.CancelJob", reason, ["reason"])
    finished = producer.CancelJobRequest(queue="q", job_id="completed")
    state = {"job_id": "completed", "state": "COMPLETED"}
    yield Bad("completed job", "producer.CancelJob", finished, [], "JOB_NOT_IN_STATE", state)


def bad_leases() -> Iterator[Bad]:
    for rpc, kind in (("worker.LeaseJob", worker.LeaseJobRequest), ("worker.BatchLeaseJobs", worker.BatchLeaseJobsRequest)):

        def call(name: str, field: str, rpc: str = rpc, kind: Any = kind, **said: Any) -> Bad:
            return Bad(f"lease: {name}", rpc, kind(**{"queues": ["q"], "worker_id": "w", **said}), [field])

        yield call("no queues", "queues", queues=[])
        yield call("33 queues", "queues", queues=[f"q{number}" for number in range(33)])
        yield call("one bad queue", "queues[1]", queues=["q", "{q}"])
        yield call("no worker", "worker_id", worker_id="")
        yield call("long worker", "worker_id", worker_id=LONG)
        yield call("worker with a newline", "worker_id", worker_id="a\nb")
        yield call("long request id", "request_id", request_id=LONG)
        for span in (seconds(0.999), seconds(43_200.001), NEGATIVE, HUGE, Duration()):
            yield call(f"lease of {span.seconds}.{span.nanos} s", "lease_duration", lease_duration=span)
        yield call("negative wait", "wait_duration", wait_duration=NEGATIVE)
    many = worker.BatchLeaseJobsRequest(queues=["q"], worker_id="w", max_jobs=1001)
    yield Bad("1,001 jobs", "worker.BatchLeaseJobs", many, ["max_jobs"])

    def batch(name: str, fields: list[str], **said: Any) -> Bad:
        request = worker.BatchLeaseJobsRequest(**{"queues": ["q"], "worker_id": "w", "max_jobs": 5, **said})
        return Bad(f"batch lease: {name}", "worker.BatchLeaseJobs", request, fields)

    yield batch("more than the most", ["min_jobs"], min_jobs=6, linger=seconds(1))
    for span in (NEGATIVE, HUGE, MIXED, seconds(10.001)):
        yield batch(f"linger of {span.seconds} s", ["linger"], linger=span, lease_duration=seconds(60))
    yield batch("linger of most of the lease", ["linger"], linger=seconds(0.501), lease_duration=seconds(1))


def bad_parts() -> Iterator[Bad]:
    """What ends a stream; what is wrong with a part is answered for it alone (test_work.py, test_produce.py)."""
    lease = worker.BatchLeaseJobsRequest(queues=["q"], worker_id="w")
    yield Bad("work: no number", "worker.Work", worker.WorkRequest(lease=lease), ["request_number"])
    yield Bad("work: no part", "worker.Work", worker.WorkRequest(request_number=1), ["lease"])
    add = producer.AddJobRequest(queue="q", job=job.JobSpec(name="work"))
    yield Bad("produce: no number", "producer.Produce", producer.ProduceRequest(add=add), ["request_number"])
    yield Bad("produce: no part", "producer.Produce", producer.ProduceRequest(request_number=1), ["add"])


def bad_tokens(scene: Scene) -> Iterator[Bad]:
    nonce, queue, _ = scene.token.split("/")
    lost = {
        "garbage": "garbage",
        "of another job": f"{nonce}/{queue}/waiting",
        "of a job that is not there": f"{nonce}/{queue}/unknown",
        "of another queue": f"{nonce}/elsewhere/active",
        "with a wrong nonce": f"{'A' * 24}/{queue}/active",
        "without a nonce": f"/{queue}/active",
        "with a brace": f"{nonce}/{{q}}/active",
        "with a newline": f"{nonce}/{queue}/active\n",
        "binary": "\0\x01/\x02/\x03",
    }
    progress, lines = Value(number_value=1), ["line"]
    for name, token in (*lost.items(), ("missing", ""), ("long", "x" * 401)):
        fields, reason = ([], "LEASE_LOST") if name in lost else (["lease_token"], "INVALID_FIELD")
        for rpc, request in (
            ("worker.CompleteJob", worker.CompleteJobRequest(lease_token=token)),
            ("worker.FailJob", worker.FailJobRequest(lease_token=token)),
            ("worker.ReleaseJob", worker.ReleaseJobRequest(lease_token=token)),
            ("worker.ReportProgress", worker.ReportProgressRequest(lease_token=token, progress=progress)),
            ("worker.AppendLogs", worker.AppendLogsRequest(lease_token=token, lines=lines)),
        ):
            yield Bad(f"token {name}", rpc, request, fields, reason)


SECOND = "settlements[1].complete."


def bad_settlements(scene: Scene) -> Iterator[Bad]:
    token = scene.token
    large = worker.CompleteJobRequest(lease_token=token, result=b"x" * (MIB + 1))
    yield Bad("result", "worker.CompleteJob", large, ["result"], "PAYLOAD_TOO_LARGE")
    typed = worker.CompleteJobRequest(lease_token=token, result_content_type=LONG)
    yield Bad("result type", "worker.CompleteJob", typed, ["result_content_type"])
    for name, span in (("negative", NEGATIVE), ("huge", HUGE), ("of two signs", MIXED)):
        failed = worker.FailJobRequest(lease_token=token, retry_delay=span)
        yield Bad(f"{name} retry", "worker.FailJob", failed, ["retry_delay"])
        yield Bad(f"{name} delay", "worker.ReleaseJob", worker.ReleaseJobRequest(lease_token=token, delay=span), ["delay"])
        held = worker.ReleaseJobRequest(lease_token=token, hold_queue=span)
        yield Bad(f"{name} hold", "worker.ReleaseJob", held, ["hold_queue"])
    long = worker.ReleaseJobRequest(lease_token=token, hold_queue=seconds(86_401))
    yield Bad("hold of over a day", "worker.ReleaseJob", long, ["hold_queue"])

    def settle(name: str, settlements: list[worker.Settlement], field: str, reason: str = "INVALID_FIELD") -> Bad:
        return Bad(f"settle: {name}", "worker.SettleJobs", worker.SettleJobsRequest(settlements=settlements), [field], reason)

    good = worker.Settlement(lease_token=token, complete=worker.CompleteOutcome())
    yield settle("nothing", [], "settlements")
    yield settle("1,001", [good] * 1001, "settlements", "BATCH_TOO_LARGE")
    yield settle("a token twice", [good, good], "settlements")
    yield settle("no outcome", [worker.Settlement(lease_token=token)], "settlements[0].outcome")
    yield settle("no token", [worker.Settlement(complete=worker.CompleteOutcome())], "settlements[0].lease_token")
    late = worker.Settlement(lease_token="other", fail=worker.FailOutcome(retry_delay=NEGATIVE))
    yield settle("one of two", [good, late], "settlements[1].fail.retry_delay")
    back = worker.Settlement(lease_token="other", release=worker.ReleaseOutcome(delay=HUGE))
    yield settle("one huge delay", [good, back], "settlements[1].release.delay")
    hold = worker.Settlement(lease_token="other", release=worker.ReleaseOutcome(hold_queue=NEGATIVE))
    yield settle("one negative hold", [good, hold], "settlements[1].release.hold_queue")
    big = worker.Settlement(lease_token="other", complete=worker.CompleteOutcome(result=b"x" * (MIB + 1)))
    yield settle("one result", [good, big], "settlements[1].complete.result", "PAYLOAD_TOO_LARGE")
    # completions of one queue take a path of their own
    nonce, queue, _ = token.split("/")

    def completed(job_id: str, **outcome: Any) -> worker.Settlement:
        return worker.Settlement(lease_token=f"{nonce}/{queue}/{job_id}", complete=worker.CompleteOutcome(**outcome))

    yield settle("1,001 jobs", [completed(str(n)) for n in range(1001)], "settlements", "BATCH_TOO_LARGE")
    yield settle("one long token of a queue", [good, completed(LONG * 4)], "settlements[1].lease_token")
    yield settle(
        "one result type of a queue", [good, completed("waiting", result_content_type=LONG)], f"{SECOND}result_content_type"
    )
    large_result = completed("waiting", result=b"x" * (MIB + 1))
    yield settle("one result of a queue", [good, large_result], f"{SECOND}result", "PAYLOAD_TOO_LARGE")


def bad_worker_calls(scene: Scene) -> Iterator[Bad]:
    def beat(name: str, fields: list[str], info: dict[str, Any], reason: str = "INVALID_FIELD", **said: Any) -> Bad:
        request = worker.HeartbeatRequest(worker=worker.WorkerInfo(**{"worker_id": "w", **info}), **said)
        return Bad(f"heartbeat: {name}", "worker.Heartbeat", request, fields, reason)

    yield Bad("heartbeat of nobody", "worker.Heartbeat", worker.HeartbeatRequest(), ["worker.worker_id"])
    yield beat("long hostname", ["worker.hostname"], {"hostname": "x" * 257})
    yield beat("long language", ["worker.language"], {"language": LONG})
    yield beat("long version", ["worker.sdk_version"], {"sdk_version": LONG})
    yield beat("33 queues", ["worker.queues"], {"queues": ["q"] * 33})
    yield beat("33 bad queues", ["worker.queues"], {"queues": ["?"] * 33})
    for number, name in enumerate(BAD_QUEUES):
        yield beat(f"bad queue {number}", ["worker.queues[1]"], {"queues": ["q", name, "p"]})
    yield beat("two bad queues", ["worker.queues[0]", "worker.queues[2]"], {"queues": ["x" * 6_000_000, "q", "a b"]})
    unknown = worker.WorkerInfo.FromString(b"\x0a\x01w" + b"\xa2\x06\xa0\x9c\x01" + b"x" * 20_000)  # a field 100
    yield Bad("heartbeat: large unknown field", "worker.Heartbeat", worker.HeartbeatRequest(worker=unknown), ["worker"])
    yield beat("1,001 tokens", ["lease_tokens"], {}, "BATCH_TOO_LARGE", lease_tokens=["t"] * 1001)
    yield beat("empty token", ["lease_tokens[1]"], {}, lease_tokens=[scene.token, ""])
    for span in (seconds(0.5), seconds(43_201), NEGATIVE):
        yield beat(f"lease of {span.seconds} s", ["lease_duration"], {}, lease_tokens=[scene.token], lease_duration=span)
    yield beat("checkpoint of no lease named", ["checkpoints"], {}, checkpoints={scene.token: b"x"})
    large = {scene.token: b"x" * 16_385}
    yield beat("large checkpoint", ["checkpoints"], {}, lease_tokens=[scene.token], checkpoints=large)
    for rpc, request in (("worker.WatchWorker", worker.WatchWorkerRequest), ("worker.DrainWorker", worker.DrainWorkerRequest)):
        yield Bad("nobody", rpc, request(), ["worker_id"])
        yield Bad("long worker", rpc, request(worker_id=LONG), ["worker_id"])

    def report(name: str, progress: Value | None) -> Bad:
        request = worker.ReportProgressRequest(lease_token=scene.token, progress=progress)
        return Bad(f"progress: {name}", "worker.ReportProgress", request, ["progress"])

    yield report("none", None)
    yield report("NaN", Value(number_value=math.nan))
    yield report("infinite", Value(number_value=math.inf))
    yield report("16 KiB and more", Value(string_value="x" * 16_384))
    empty = worker.AppendLogsRequest(lease_token=scene.token)
    yield Bad("no lines", "worker.AppendLogs", empty, ["lines"])
    many = worker.AppendLogsRequest(lease_token=scene.token, lines=["x"] * 1001)
    yield Bad("1,001 lines", "worker.AppendLogs", many, ["lines"], "BATCH_TOO_LARGE")


def bad_queue_calls() -> Iterator[Bad]:
    names = ("GetStats", "GetQueue", "PauseQueue", "ResumeQueue", "DrainQueue", "DeleteQueue", "ListJobs", "ListWorkers")
    for name in names:
        yield Bad("queue", f"admin.{name}", getattr(admin, f"{name}Request")(queue="a{b}"), ["queue"])
    for name in ("GetQueue", "DeleteQueue"):
        request = getattr(admin, f"{name}Request")(queue="unknown")
        yield Bad("unknown queue", f"admin.{name}", request, [], "QUEUE_NOT_FOUND", {"queue": "unknown"})
    yield Bad("not empty", "admin.DeleteQueue", admin.DeleteQueueRequest(queue="q"), [], "QUEUE_NOT_EMPTY", {"queue": "q"})

    def update(name: str, fields: list[str], mask: list[str] | None = None, **config: Any) -> Bad:
        said = admin.QueueConfig(**config)
        request = admin.UpdateQueueRequest(queue="q", config=said, update_mask=FieldMask(paths=mask or []))
        return Bad(f"update: {name}", "admin.UpdateQueue", request, fields)

    yield Bad("no config", "admin.UpdateQueue", admin.UpdateQueueRequest(queue="q"), ["config"])
    yield update("unknown mask", ["update_mask"], ["max_lease_expirations", "colour"], max_lease_expirations=1)
    yield update("dead letters to itself", ["config.dead_letter_queue"], dead_letter_queue="q")
    yield update("bad dead-letter queue", ["config.dead_letter_queue"], dead_letter_queue="a b")
    attempts = job.RetryPolicy(max_attempts=1_000_001)
    yield update("attempts", ["config.default_retry.max_attempts"], default_retry=attempts)
    nan = job.RetryPolicy(backoff=job.Backoff(fixed=job.FixedBackoff(delay=seconds(1)), jitter=math.nan))
    yield update("jitter", ["config.default_retry.backoff.jitter"], default_retry=nan)
    for kind in ("completed_retention", "failed_retention"):
        yield update(f"negative {kind}", [f"config.{kind}.max_age"], **{kind: job.Retention(max_age=NEGATIVE)})
    yield update("too many active", ["config.max_active"], max_active=1_000_001)
    yield update("too many waiting", ["config.max_waiting"], max_waiting=1_000_000_001)
    for name, span in (
        ("negative", NEGATIVE),
        ("huge", HUGE),
        ("no", Duration()),
        ("of two signs", MIXED),
        ("of 9 ms", seconds(0.009)),
    ):
        rate = admin.RateLimit(max_jobs=1, duration=span)
        yield update(f"{name} rate", ["config.rate_limit.duration"], rate_limit=rate)
    for jobs in (0, 1_000_001):
        rate = admin.RateLimit(max_jobs=jobs, duration=seconds(1))
        yield update(f"rate of {jobs}", ["config.rate_limit.max_jobs"], rate_limit=rate)
    yield update("rate without a duration", ["config.rate_limit.duration"], rate_limit=admin.RateLimit(max_jobs=1))
    yield update("half a rate", ["config.rate_limit.duration"], ["rate_limit.max_jobs"], rate_limit=admin.RateLimit(max_jobs=1))
    defaults = {"max_active": {"max_active": 1_000_001}, "max_waiting": {"max_waiting": 1_000_000_001}}
    for name, said in defaults.items():
        yield update(f"{name} of groups", [f"config.group_defaults.{name}"], group_defaults=admin.GroupDefaults(**said))
    rate = admin.GroupDefaults(rate_limit=admin.RateLimit(max_jobs=1, duration=NEGATIVE))
    yield update("negative rate of groups", ["config.group_defaults.rate_limit.duration"], group_defaults=rate)
    backoff = job.RetryPolicy(backoff=job.Backoff(jitter=0.5))
    yield update("a part without its whole", ["config.default_retry.backoff"], ["default_retry"], default_retry=backoff)


def bad_groups() -> Iterator[Bad]:
    def update(name: str, fields: list[str], group: str = "g", mask: list[str] | None = None, **config: Any) -> Bad:
        said = admin.GroupConfig(**config)
        request = admin.UpdateGroupRequest(queue="q", group=group, config=said, update_mask=FieldMask(paths=mask or []))
        return Bad(f"group: {name}", "admin.UpdateGroup", request, fields)

    for name in ("", LONG, "new\nline", "a\ttab"):
        yield update(f"name {name!r}", ["group"], name, weight=1)
    yield Bad("group: no config", "admin.UpdateGroup", admin.UpdateGroupRequest(queue="q", group="g"), ["config"])
    yield Bad("group: queue", "admin.UpdateGroup", admin.UpdateGroupRequest(queue="a b", group="g"), ["queue", "config"])
    unknown = admin.UpdateGroupRequest(queue="unknown", group="g", config=admin.GroupConfig(weight=2))
    yield Bad("group: unknown queue", "admin.UpdateGroup", unknown, [], "QUEUE_NOT_FOUND", {"queue": "unknown"})
    yield update("unknown mask", ["update_mask"], mask=["weight", "colour"], weight=1)
    yield update("weight 0", ["config.weight"], weight=0)
    yield update("weight 1,001", ["config.weight"], weight=1001)
    yield update("too many active", ["config.max_active"], max_active=1_000_001)
    yield update("too many waiting", ["config.max_waiting"], max_waiting=1_000_000_001)
    for name, span in (("negative", NEGATIVE), ("huge", HUGE), ("no", Duration())):
        rate = admin.RateLimit(max_jobs=1, duration=span)
        yield update(f"{name} rate", ["config.rate_limit.duration"], rate_limit=rate)
    half = admin.RateLimit(max_jobs=1)
    yield update("half a rate", ["config.rate_limit.duration"], mask=["rate_limit.max_jobs"], rate_limit=half)
    yield Bad("groups: queue", "admin.ListGroups", admin.ListGroupsRequest(queue="a b"), ["queue"])
    yield Bad("groups: name", "admin.ListGroups", admin.ListGroupsRequest(queue="q", group=LONG), ["group"])
    yield Bad("jobs of a long group", "admin.ListJobs", admin.ListJobsRequest(queue="q", group=LONG), ["group"])


def bad_pages(scene: Scene) -> Iterator[Bad]:
    pages = {
        "admin.ListQueues": admin.ListQueuesRequest(),
        "admin.ListJobs": admin.ListJobsRequest(queue="q"),
        "admin.ListJobLogs": admin.ListJobLogsRequest(queue="q", job_id="waiting"),
        "admin.ListWorkers": admin.ListWorkersRequest(),
        "admin.ListGroups": admin.ListGroupsRequest(queue="q"),
        "admin.RetryJobs": admin.RetryJobsRequest(queue="q", filter=admin.JobFilter()),
        "admin.PromoteJobs": admin.PromoteJobsRequest(queue="q", filter=admin.JobFilter()),
        "admin.DeleteJobs": admin.DeleteJobsRequest(queue="q", filter=admin.JobFilter(state=job.JOB_STATE_FAILED)),
    }
    for rpc, request in pages.items():
        if "page_size" in request.DESCRIPTOR.fields_by_name:
            yield Bad("page of 1,001", rpc, _with(request, page_size=1001), ["page_size"])
        for number, token in enumerate(GARBAGE_PAGES):
            yield Bad(f"garbage page {number}", rpc, _with(request, page_token=token), ["page_token"])
        for name, token in (("queues", scene.queues_page), ("jobs", scene.jobs_page)):
            if rpc != f"admin.List{name.title()}":
                yield Bad(f"page of {name}", rpc, _with(request, page_token=token), ["page_token"])
    groups = pages["admin.ListGroups"]
    for place in ("heads:²", "heads:-1", "heads:" + "9" * 20, "other:1"):
        token = page_token(listing_of(groups), place, 0)
        yield Bad(f"page of no place, {place}", "admin.ListGroups", _with(groups, page_token=token), ["page_token"])
    for name, change in (("queue", {"queue": "other"}), ("order", {"order_by": "desc"}), ("name", {"name": "n"})):
        changed = _with(pages["admin.ListJobs"], page_token=scene.jobs_page, **change)
        yield Bad(f"page of another {name}", "admin.ListJobs", changed, ["page_token"])


def _with(request: Message, **said: Any) -> Message:
    copy = type(request)()
    copy.CopyFrom(request)
    for name, value in said.items():
        setattr(copy, name, value)
    return copy


def bad_listings() -> Iterator[Bad]:
    for states in ([0], [99], [job.JOB_STATE_WAITING, -1]):
        yield Bad(f"states {states}", "admin.ListJobs", admin.ListJobsRequest(queue="q", states=states), ["states"])
    yield Bad("order", "admin.ListJobs", admin.ListJobsRequest(queue="q", order_by="sideways"), ["order_by"])
    mask = FieldMask(paths=["spec.colour"])
    yield Bad("mask", "admin.ListJobs", admin.ListJobsRequest(queue="q", read_mask=mask), ["read_mask"])


def bad_bulks() -> Iterator[Bad]:
    kinds = {
        "Retry": admin.RetryJobsRequest,
        "Promote": admin.PromoteJobsRequest,
        "Delete": admin.DeleteJobsRequest,
        "Cancel": admin.CancelJobsRequest,
    }
    usual = {
        "Retry": job.JOB_STATE_FAILED,
        "Promote": job.JOB_STATE_DELAYED,
        "Delete": job.JOB_STATE_FAILED,
        "Cancel": job.JOB_STATE_WAITING,
    }
    refused = {
        "Retry": [job.JOB_STATE_ACTIVE, job.JOB_STATE_BLOCKED],
        "Promote": [job.JOB_STATE_ACTIVE, job.JOB_STATE_BLOCKED],
        "Delete": [job.JOB_STATE_ACTIVE],
        "Cancel": [job.JOB_STATE_FAILED, job.JOB_STATE_CANCELLED],
    }
    for verb, kind in kinds.items():
        rpc = f"admin.{verb}Jobs"
        yield Bad("queue", rpc, kind(queue="a b", job_ids=admin.JobIds(ids=["x"])), ["queue"])
        yield Bad("no ids", rpc, kind(queue="q", job_ids=admin.JobIds()), ["job_ids.ids"])
        yield Bad("1,001 ids", rpc, kind(queue="q", job_ids=admin.JobIds(ids=["x"] * 1001)), ["job_ids.ids"], "BATCH_TOO_LARGE")
        yield Bad("an empty id", rpc, kind(queue="q", job_ids=admin.JobIds(ids=["x", ""])), ["job_ids.ids[1]"])
        for state in (*refused[verb], 99):
            yield Bad(f"state {state}", rpc, kind(queue="q", filter=admin.JobFilter(state=state)), ["filter.state"])
        for name, span in (("negative", NEGATIVE), ("huge", HUGE)):
            old = admin.JobFilter(state=usual[verb], older_than=span)
            yield Bad(f"{name} age", rpc, kind(queue="q", filter=old), ["filter.older_than"])
        named = admin.JobFilter(state=usual[verb], name=LONG)
        yield Bad("long name", rpc, kind(queue="q", filter=named), ["filter.name"])
        grouped = admin.JobFilter(state=usual[verb], group=LONG)
        yield Bad("long group", rpc, kind(queue="q", filter=grouped), ["filter.group"])
        yield Bad("no selection", rpc, kind(queue="q"), ["selection"])
    waiting = admin.JobFilter(state=job.JOB_STATE_WAITING)
    yield Bad("state of no finished job", "admin.RetryJobs", kinds["Retry"](queue="q", filter=waiting), ["filter.state"])
    yield Bad("state of no delayed job", "admin.PromoteJobs", kinds["Promote"](queue="q", filter=waiting), ["filter.state"])
    long = kinds["Cancel"](queue="q", job_ids=admin.JobIds(ids=["x"]), reason="x" * 1025)
    yield Bad("long reason", "admin.CancelJobs", long, ["reason"])
    yield Bad("no state", "admin.CancelJobs", kinds["Cancel"](queue="q", filter=admin.JobFilter(name="n")), ["filter.state"])
    yield Bad("no state", "admin.DeleteJobs", kinds["Delete"](queue="q", filter=admin.JobFilter(name="n")), ["filter.state"])


def bad_searches(scene: Scene) -> Iterator[Bad]:
    def search(name: str, fields: list[str], **said: Any) -> Bad:
        whole = {"queue": "q", "query": admin.JobQuery(name="n"), **said}
        return Bad(f"search: {name}", "admin.SearchJobs", admin.SearchJobsRequest(**whole), fields)

    yield search("queue", ["queue"], queue="a b")
    yield search("nothing", ["query"], query=None)
    yield search("nothing in it", ["query"], query=admin.JobQuery())
    yield search("long id", ["query.id_prefix"], query=admin.JobQuery(id_prefix=LONG))
    yield search("long name", ["query.name"], query=admin.JobQuery(name=LONG))
    yield search("long group", ["query.group"], query=admin.JobQuery(group=LONG))
    yield search("long payload text", ["query.payload_text"], query=admin.JobQuery(payload_text="x" * 1025))
    yield search("long failure text", ["query.failure_text"], query=admin.JobQuery(failure_text="x" * 1025))
    yield search("state", ["states"], states=[99])
    yield search("page of 1,001", ["page_size"], page_size=1001)
    yield search("mask", ["read_mask"], read_mask=FieldMask(paths=["nothing"]))
    for number, token in enumerate([*GARBAGE_PAGES, scene.queues_page, scene.jobs_page]):
        if token:
            yield search(f"page {number}", ["page_token"], page_token=token)


def bad_updates() -> Iterator[Bad]:
    def update(name: str, fields: list[str], reason: str = "INVALID_FIELD", **said: Any) -> Bad:
        whole = {"queue": "q", "job_id": "waiting", **said}
        return Bad(name, "admin.UpdateJob", admin.UpdateJobRequest(**whole), fields, reason)

    yield update("queue", ["queue"], queue="a b", priority=1)
    yield update("no id", ["job_id"], job_id="", priority=1)
    yield update("nothing to change", ["update_mask"])
    yield update("what can't be changed", ["update_mask"], priority=1, update_mask=FieldMask(paths=["priority", "name"]))
    yield update("priority", ["priority"], priority=2_097_152)
    yield update("large payload", ["payload"], "PAYLOAD_TOO_LARGE", payload=b"x" * (MIB + 1))
    yield update("year 0", ["run_time"], run_time=Timestamp(seconds=-(2**40)))
    yield update("unknown job", [], "JOB_NOT_FOUND", job_id="unknown", priority=1)
    yield update("an active job", [], "JOB_NOT_IN_STATE", job_id="active", priority=1)


def _on(job_id: str, queue: str = "q", policy: int = 0) -> job.Dependency:
    return job.Dependency(queue=queue, job_id=job_id, on_failure=policy)


def bad_dependencies() -> Iterator[Bad]:
    there = _on("waiting")
    yield _add("an unknown dependency", "dependencies[1].job_id", dependencies=[there, _on("unknown")])
    yield _add("a dependency in an unknown queue", "dependencies[0].job_id", dependencies=[_on("waiting", "unknown")])
    yield _add("a dependency in no queue", "dependencies[0].queue", dependencies=[_on("waiting", "a b")])
    yield _add("a dependency without an id", "dependencies[0].job_id", dependencies=[_on("")])
    yield _add("a dependency twice", "dependencies[1]", dependencies=[there, there])
    yield _add("a policy of no name", "dependencies[0].on_failure", dependencies=[_on("waiting", policy=9)])
    many = [_on(str(number)) for number in range(1001)]
    yield _add("1,001 dependencies", "dependencies", reason="BATCH_TOO_LARGE", dependencies=many)
    itself = producer.AddJobRequest(queue="q", job=_spec(id="new", dependencies=[_on("new")]))
    yield Bad("itself", "producer.AddJob", itself, ["job.dependencies[0]"], "DEPENDENCY_CYCLE")
    batch = producer.BatchAddJobsRequest(queue="q", jobs=[_spec(), _spec(dependencies=[there, _on("unknown")])])
    yield Bad("unknown in a batch", "producer.BatchAddJobs", batch, ["jobs[1].dependencies[1].job_id"])
    reading = producer.GetDependenciesRequest(queue="q", job_id="waiting")
    yield Bad("queue", "producer.GetDependencies", _with(reading, queue="a b"), ["queue"])
    yield Bad("no id", "producer.GetDependencies", _with(reading, job_id=""), ["job_id"])
    yield Bad("page of 1,001", "producer.GetDependencies", _with(reading, page_size=1001), ["page_size"])
    for number, token in enumerate(GARBAGE_PAGES):
        yield Bad(f"page {number}", "producer.GetDependencies", _with(reading, page_token=token), ["page_token"])
    unknown = {"queue": "q", "job_id": "unknown"}
    yield Bad("unknown", "producer.GetDependencies", _with(reading, job_id="unknown"), [], "JOB_NOT_FOUND", unknown)
    cancel = producer.CancelJobRequest(queue="q", job_id="waiting", cascade=7)
    yield Bad("cascade", "producer.CancelJob", cancel, ["cascade"])
    delete = admin.DeleteJobsRequest(queue="q", job_ids=admin.JobIds(ids=["waiting"]), cascade=7)
    yield Bad("cascade", "admin.DeleteJobs", delete, ["cascade"])
    matching = admin.DeleteJobsRequest(queue="q", filter=admin.JobFilter(state=job.JOB_STATE_WAITING), cascade=1)
    yield Bad("cascade of a filter", "admin.DeleteJobs", matching, ["cascade"])


def _node(key: str, *needs: str, queue: str = "q", **said: Any) -> producer.FlowNode:
    edges = [producer.FlowDependency(key=need) for need in needs]
    return producer.FlowNode(queue=queue, key=key, job=_spec(**said), depends_on=edges)


def _flow(what: str, fields: list[str], *nodes: producer.FlowNode, reason: str = "INVALID_FIELD") -> Bad:
    return Bad(f"flow: {what}", "producer.AddFlow", producer.AddFlowRequest(nodes=nodes), fields, reason)


def bad_flows() -> Iterator[Bad]:
    yield _flow("no nodes", ["nodes"])
    yield _flow("1,001 nodes", ["nodes"], *[_node("")] * 1001, reason="BATCH_TOO_LARGE")
    yield _flow("an unknown key", ["nodes[1].depends_on[0].key"], _node("a"), _node("b", "c"))
    yield _flow("no key", ["nodes[1].depends_on[0].key"], _node(""), _node("b", ""))
    yield _flow("a key twice", ["nodes[1].key"], _node("a"), _node("a"))
    yield _flow("a long key", ["nodes[0].key"], _node(LONG))
    yield _flow("a queue", ["nodes[1].queue"], _node("a"), _node("b", queue="a b"))
    yield _flow("an id twice", ["nodes[1].job.id"], _node("a", id="x"), _node("b", id="x"))
    yield _flow("a long id", ["nodes[0].job.id"], _node("a", id=LONG))
    yield _flow("a dependency twice", ["nodes[1].job.dependencies[1]"], _node("a"), _node("b", "a", "a"))
    yield _flow("an unknown job", ["nodes[1].job.dependencies[0].job_id"], _node("a"), _node("b", dependencies=[_on("unknown")]))
    yield _flow("a priority", ["nodes[0].job.priority"], _node("a", priority=2_097_152))
    yield _flow("no job", ["nodes[0].job", "nodes[0].job.name"], producer.FlowNode(queue="q", key="a"))
    policy = _node("b")
    policy.depends_on.add(key="a", on_failure=9)
    fields = ["nodes[1].depends_on[0].on_failure", "nodes[1].job.dependencies[0].on_failure"]
    yield _flow("a policy of no name", fields, _node("a"), policy)
    cycle = "DEPENDENCY_CYCLE"
    yield _flow("a cycle of one", ["nodes[0].depends_on"], _node("a", "a"), reason=cycle)
    yield _flow("a cycle of two", ["nodes[1].depends_on"], _node("a", "b"), _node("b", "a"), reason=cycle)
    ring = [_node("t", "a"), _node("a", "b"), _node("b", "c"), _node("c", "a")]
    yield _flow("a cycle behind a tail", ["nodes[3].depends_on"], *ring, reason=cycle)
    long_ring = [_node(f"{n:0100}", f"{(n + 1) % 1000:0100}") for n in range(1_000)]
    yield _flow("a long cycle", ["nodes[999].depends_on"], *long_ring, reason=cycle)
    by_hand = [_node("a", "b", id="x"), _node("b", id="y", dependencies=[_on("x")])]
    yield _flow("a cycle by hand", ["nodes[1].job.dependencies"], *by_hand, reason=cycle)
    durability = producer.AddFlowRequest(nodes=[_node("a")], durability=9)
    yield Bad("durability", "producer.AddFlow", durability, ["durability"])


def bad_blocks(scene: Scene) -> Iterator[Bad]:
    def block(what: str, field: str, *needs: job.Dependency) -> Bad:
        settlement = worker.Settlement(lease_token=scene.token, block_on=worker.BlockOnOutcome(dependencies=needs))
        request = worker.SettleJobsRequest(settlements=[settlement])
        return Bad(what, "worker.SettleJobs", request, [f"settlements[0].block_on.{field}"])

    yield block("on nothing", "dependencies")
    yield block("on no queue", "dependencies[0].queue", _on("waiting", "a b"))
    yield block("on one job twice", "dependencies[1]", _on("waiting"), _on("waiting"))


def _schedule(what: str, fields: list[str], reason: str = "INVALID_FIELD", **said: Any) -> Bad:
    """An upsert of the schedule that is there, with a rule broken."""
    timetable = {} if said.keys() & {"cron", "every"} else {"cron": "@daily"}
    whole = schedule.Schedule(**{"id": "kept", "queue": "q", "job": _spec(), **timetable, **said})
    paths = [f"schedule.{field}" for field in fields]
    return Bad(f"schedule: {what}", "schedule.UpsertSchedule", schedule.UpsertScheduleRequest(schedule=whole), paths, reason)


def bad_schedules() -> Iterator[Bad]:
    for queue in BAD_QUEUES:
        yield _schedule(f"queue {queue[:12]!r}", ["queue"], queue=queue)
    for name in ("", LONG, "a\nb"):
        yield _schedule(f"id {name[:12]!r}", ["id"], id=name)
    for cron in ("", "* * * *", "* * * * * * *", "0 0 30 2 *", "61 * * * *", "@reboot", "never", "* * * * * *" * 30):
        yield _schedule(f"cron {cron[:20]!r}", ["cron"], cron=cron)
    for zone in ("Nowhere/City", "../etc/passwd", "localtime", LONG):
        yield _schedule(f"zone {zone[:20]!r}", ["time_zone"], time_zone=zone)
    for name, span in (
        ("negative", NEGATIVE),
        ("huge", HUGE),
        ("over ten years", TEN_YEARS),
        ("of two signs", MIXED),
        ("no", Duration()),
    ):
        yield _schedule(f"{name} every", ["every"], every=span)
        yield _schedule(f"{name} catch-up", ["catch_up_window"], catch_up_window=span)
    yield _schedule("every 99 ms", ["every"], every=seconds(0.099))
    yield _schedule("catch-up of 999 ms", ["catch_up_window"], catch_up_window=seconds(0.999))
    yield _schedule("every in a zone", ["time_zone"], every=seconds(5), time_zone="Europe/Berlin")
    for time in (-1, 7_258_118_401, 2**62):
        yield _schedule(f"start {time}", ["start_time"], start_time=Timestamp(seconds=time))
        yield _schedule(f"end {time}", ["end_time"], end_time=Timestamp(seconds=time))
    same = Timestamp(seconds=5)
    yield _schedule("end at the start", ["end_time"], start_time=same, end_time=same)
    for overlap in (3, -1):
        yield _schedule(f"overlap {overlap}", ["overlap"], overlap=overlap)
    yield _schedule("job with an id", ["job.id"], job=_spec(id="mine"))
    yield _schedule("job with a time", ["job.run_time"], job=_spec(run_time=Timestamp(seconds=5)))
    yield _schedule("job without a name", ["job.name"], job=job.JobSpec())
    yield _schedule("job with a priority", ["job.priority"], job=_spec(priority=2_097_152))
    yield _schedule("job with dependencies", ["job.dependencies"], job=_spec(dependencies=[_on("waiting")]))
    yield _schedule("job with a negative delay", ["job.delay"], job=_spec(delay=NEGATIVE))
    yield _schedule("job with a payload", ["job.payload"], "PAYLOAD_TOO_LARGE", job=_spec(payload=b"x" * (MIB + 1)))
    yield _schedule("no job", ["job", "job.name"], job=None)
    keyed = job.JobSpec(name="n", deduplication=job.Deduplication(key="k"))
    yield _schedule("job with a deduplication key", ["job.deduplication"], job=keyed)
    nothing = ["", "queue", "id", "timetable", "job", "job.name"]
    fields = [f"schedule.{field}".rstrip(".") for field in nothing]
    yield Bad("no schedule", "schedule.UpsertSchedule", schedule.UpsertScheduleRequest(), fields)


def bad_schedule_calls(scene: Scene) -> Iterator[Bad]:
    for verb in ("Get", "Delete", "Pause", "Resume", "Trigger"):
        rpc, kind = f"schedule.{verb}Schedule", getattr(schedule, f"{verb}ScheduleRequest")
        yield Bad("queue", rpc, kind(queue="a b", schedule_id="kept"), ["queue"])
        yield Bad("no id", rpc, kind(queue="q"), ["schedule_id"])
        yield Bad("long id", rpc, kind(queue="q", schedule_id=LONG), ["schedule_id"])
        for queue, schedule_id in (("q", "unknown"), ("unknown", "kept")):
            named = {"queue": queue, "schedule_id": schedule_id}
            yield Bad(f"unknown {queue} {schedule_id}", rpc, kind(**named), [], "SCHEDULE_NOT_FOUND", named)
    long = schedule.TriggerScheduleRequest(queue="q", schedule_id="kept", request_id=LONG)
    yield Bad("long request", "schedule.TriggerSchedule", long, ["request_id"])
    listing = schedule.ListSchedulesRequest()
    yield Bad("queue", "schedule.ListSchedules", schedule.ListSchedulesRequest(queue="a b"), ["queue"])
    yield Bad("page of 1,001", "schedule.ListSchedules", _with(listing, page_size=1001), ["page_size"])
    for number, token in enumerate([*GARBAGE_PAGES, scene.queues_page, scene.jobs_page]):
        if token:
            yield Bad(f"page {number}", "schedule.ListSchedules", _with(listing, page_token=token), ["page_token"])


def bad_events() -> Iterator[Bad]:
    def watch(name: str, fields: list[str], **said: Any) -> Bad:
        return Bad(name, "admin.WatchEvents", admin.WatchEventsRequest(**{"queue": "q", **said}), fields)

    yield watch("queue", ["queue"], queue="a b")
    yield watch("a token of another queue", ["resume_token"], resume_token="7.r")
    for token in ("7", "7.", ".q", "-7.q", "x.q", "\uff17.q", "1" * 17 + ".q", "7.a b", "7/q", "7.q "):
        yield watch(f"token {token}", ["resume_token"], resume_token=token)
    yield watch("a token and the oldest", ["from_oldest"], resume_token="7.q", from_oldest=True)
    for kind in (0, -1, 99):
        yield watch(f"kind {kind}", ["kinds[1]"], kinds=[1, kind])
    config = admin.QueueConfig(max_events=1_000_001)
    yield Bad("too many", "admin.UpdateQueue", admin.UpdateQueueRequest(queue="q", config=config), ["config.max_events"])


def bad_metrics() -> Iterator[Bad]:
    def get(name: str, fields: list[str], **said: Any) -> Bad:
        return Bad(name, "admin.GetMetrics", admin.GetMetricsRequest(**{"queue": "q", **said}), fields)

    yield get("queue", ["queue"], queue="a b")
    for value in (0.0, 59.0, 90.0, 86_401.0, -60.0):
        yield get(f"resolution {value}", ["resolution"], resolution=seconds(value))
    same = Timestamp(seconds=1_763_780_000)
    yield get("start at the end", ["start"], start=same, end=same)
    yield get("too many points", ["resolution"], start=Timestamp(seconds=0), end=same)
    for time in (-1, 7_258_118_401, 2**62):
        yield get(f"start {time}", ["start"], start=Timestamp(seconds=time), end=same)
        yield get(f"end {time}", ["end"], end=Timestamp(seconds=time), start=same)


def all_bad(scene: Scene) -> dict[str, list[Bad]]:
    """All bad requests, by their group."""
    return {
        "adds": [*bad_adds(), *bad_spans_of_jobs(), *bad_retries(), *bad_batches(), *bad_deduplications()],
        "reads": [*bad_reads()],
        "leases": [*bad_leases()],
        "parts of a stream": [*bad_parts()],
        "tokens": [*bad_tokens(scene)],
        "settlements": [*bad_settlements(scene)],
        "worker calls": [*bad_worker_calls(scene)],
        "queue calls": [*bad_queue_calls()],
        "pages": [*bad_pages(scene), *bad_listings()],
        "bulk verbs": [*bad_bulks()],
        "updates": [*bad_updates(), *bad_searches(scene)],
        "flows": [*bad_dependencies(), *bad_flows(), *bad_blocks(scene)],
        "schedules": [*bad_schedules(), *bad_schedule_calls(scene)],
        "events": [*bad_events()],
        "metrics": [*bad_metrics()],
        "groups": [*bad_groups()],
    }
