"""Deduplication by key: the rules of what a producer says; lua/lib/dedup.lua decides by it."""

from typing import Any

from leasemq.v1 import job_pb2

from leasemq_server.jobs.check import Check

_MODES = {
    job_pb2.DEDUPLICATION_MODE_UNSPECIFIED: "u",
    job_pb2.DEDUPLICATION_MODE_UNTIL_FINISHED: "u",
    job_pb2.DEDUPLICATION_MODE_THROTTLE: "t",
    job_pb2.DEDUPLICATION_MODE_DEBOUNCE: "d",
    job_pb2.DEDUPLICATION_MODE_KEEP_LATEST: "l",
}


def deduplication_options(spec: job_pb2.JobSpec, check: Check) -> dict[str, Any]:
    """The option dd of a job with a deduplication key, which is not in it; notes what breaks a rule in `check`."""
    if spec.dependencies:
        check.wrong("deduplication", "must be unset for a job with dependencies")
    said = spec.deduplication
    mode = _MODES.get(said.mode)
    if mode is None:
        check.wrong("deduplication.mode", f"must be one of the enum's values; got {said.mode}")
    options: dict[str, Any] = {"m": mode}
    if said.HasField("ttl"):
        options["t"] = check.span(said.ttl, "deduplication.ttl", 1)
        if mode == "l":
            check.wrong("deduplication.ttl", "must be unset for KEEP_LATEST: the key is held until the job has finished")
    elif mode == "t":
        check.wrong("deduplication.ttl", "is required for THROTTLE")
    if mode == "d" and spec.WhichOneof("start") is None:
        check.wrong("deduplication.mode", "DEBOUNCE needs a delay or a run_time: only a job that is DELAYED gives up its place")
    return options
