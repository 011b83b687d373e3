"""Between the messages of the contract and the values of `leasemq.model`."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable
from typing import Any

import uuid_utils
from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Value

from leasemq import model
from leasemq.checking import check_node, check_several, made, wrong_option
from leasemq.codec import (
    JSON_TYPE,
    check_numbers,
    decode,
    encode,
    from_duration,
    from_timestamp,
    invalid_field,
    to_duration,
    to_timestamp,
    within,
)
from leasemq.errors import InvalidField
from leasemq.v1 import admin_pb2, job_pb2, producer_pb2, schedule_pb2


def new_id() -> str:
    """Make an id that sorts by time: a UUIDv7."""
    return str(uuid_utils.uuid7())


def wire(number: int) -> Any:
    """Pass an enum's number as what protobuf's type hints want."""
    return number


def to_spec(queue: str, job: model.NewJob) -> job_pb2.JobSpec:
    """Build what goes over the wire; only what was said is set. InvalidField, ValueError, TypeError: it can't be sent."""
    try:
        return _to_spec(queue, job)
    except (AttributeError, TypeError, ValueError) as error:
        if (wrong := wrong_option(queue, job)) is not None:
            raise wrong from error
        raise


def to_specs(queue: str, jobs: Iterable[model.NewJob]) -> list[job_pb2.JobSpec]:
    """Build what goes over the wire. InvalidField, ValueError, TypeError: a job can't be sent, by its number, from 0."""
    check_several("NewJob", jobs=jobs)
    specs: list[job_pb2.JobSpec] = []
    for job in jobs:
        try:
            specs.append(to_spec(queue, job))
        except (InvalidField, TypeError, ValueError) as error:
            raise within(f"jobs[{len(specs)}]", error) from error
    return specs


def _to_spec(queue: str, job: model.NewJob) -> job_pb2.JobSpec:
    if job.priority or job.max_lease_expirations is not None:
        check_numbers(priority=job.priority, max_lease_expirations=job.max_lease_expirations)
    payload, content_type = encode(job.payload, job.content_type)
    job_id = new_id() if job.id is None else _not_empty("id", job.id)
    spec = job_pb2.JobSpec(name=job.name or queue, payload=payload, content_type=content_type, id=job_id)
    if job.priority:
        spec.priority = job.priority
    if job.lifo:
        spec.lifo = job.lifo
    if job.group is not None:
        spec.group = _not_empty("group", job.group)
    if job.delay is not None or job.run_time is not None:
        _set_start(spec, job)
    if job.attempts is not None or job.backoff is not None:
        spec.retry.CopyFrom(to_retry(job.attempts, job.backoff))
    if job.depends_on:
        spec.dependencies.extend(to_dependencies(job.depends_on))
    _set_rules(spec, job)
    return spec


def _not_empty(option: str, value: str) -> str:
    """Pass an option that was said on. InvalidField: it is empty, which the broker would take as not said."""
    if value == "":
        raise invalid_field(**{option: "must not be empty: leave it out instead"})
    return value


def _set_rules(spec: job_pb2.JobSpec, job: model.NewJob) -> None:
    if job.headers:
        spec.headers.update(job.headers)
    if job.timeout is not None:
        spec.timeout.CopyFrom(to_duration(job.timeout))
    if job.ttl is not None:
        spec.ttl.CopyFrom(to_duration(job.ttl))
    if job.completed_retention is not None:
        spec.completed_retention.CopyFrom(to_retention(job.completed_retention))
    if job.failed_retention is not None:
        spec.failed_retention.CopyFrom(to_retention(job.failed_retention))
    if job.dead_letter_queue is not None:
        spec.dead_letter_queue = job.dead_letter_queue
    if job.max_lease_expirations is not None:
        spec.max_lease_expirations = job.max_lease_expirations
    if job.deduplication is not None:
        spec.deduplication.CopyFrom(_to_deduplication(job.deduplication))


def _to_deduplication(said: model.Deduplication) -> job_pb2.Deduplication:
    ttl = None if said.ttl is None else to_duration(said.ttl)
    return job_pb2.Deduplication(key=said.key, mode=wire(said.mode), ttl=ttl)


def to_dependencies(dependencies: Iterable[model.Dependency]) -> list[job_pb2.Dependency]:
    """Build what goes over the wire. TypeError: one is no Dependency, or has a value of a wrong type."""
    return [_to_dependency(it) for it in dependencies]


def _to_dependency(said: model.Dependency) -> job_pb2.Dependency:
    try:
        return job_pb2.Dependency(queue=said.queue, job_id=said.id, on_failure=wire(said.on_failure))
    except (AttributeError, TypeError, ValueError) as error:
        raise TypeError(f"a dependency must be a Dependency of a queue, an id and an OnFailure, not {said!r}") from error


def to_nodes(nodes: Iterable[model.FlowNode]) -> list[producer_pb2.FlowNode]:
    """Build the nodes of a flow, with the errors of `to_specs`."""
    check_several("FlowNode", nodes=nodes)
    built: list[producer_pb2.FlowNode] = []
    for node in nodes:
        try:
            built.append(_to_node(node))
        except (InvalidField, TypeError, ValueError) as error:
            raise within(f"nodes[{len(built)}]", error) from error
    return built


def _to_node(node: model.FlowNode) -> producer_pb2.FlowNode:
    check_node(node)
    try:
        spec = to_spec(node.queue, node.job)
    except InvalidField as error:
        raise within("job", error) from error
    edges = [(it, model.OnFailure.FAIL) if isinstance(it, str) else it for it in node.depends_on]
    wired = [made(producer_pb2.FlowDependency, key=key, on_failure=wire(policy)) for key, policy in edges]
    return made(producer_pb2.FlowNode, queue=node.queue, job=spec, key=node.key, depends_on=wired)


def dependency_info(dependency: producer_pb2.DependencyState) -> model.DependencyInfo:
    """Read what became of a dependency."""
    return model.DependencyInfo(
        queue=dependency.queue,
        id=dependency.job_id,
        on_failure=model.OnFailure(dependency.on_failure),
        state=model.JobState(dependency.state),
        raw_result=dependency.result,
        result_content_type=dependency.result_content_type,
    )


def _dependency(said: job_pb2.Dependency) -> model.Dependency:
    return model.Dependency(said.queue, said.job_id, model.OnFailure(said.on_failure or model.OnFailure.FAIL))


def _set_start(spec: job_pb2.JobSpec, job: model.NewJob) -> None:
    if job.delay is not None and job.run_time is not None:
        raise ValueError("a job has a delay or a run_time, not both")
    if job.delay is not None:
        spec.delay.CopyFrom(to_duration(job.delay))
    elif job.run_time is not None:
        spec.run_time.CopyFrom(to_timestamp(job.run_time))


def to_retry(attempts: int | None, backoff: model.Backoff | None) -> job_pb2.RetryPolicy:
    """Build a RetryPolicy; attempts None = the queue's default, backoff None = try again at once."""
    check_numbers(1, attempts=attempts)  # 0 would be the queue's
    return job_pb2.RetryPolicy(max_attempts=attempts or 0, backoff=None if backoff is None else _to_backoff(backoff))


def _to_backoff(backoff: model.Backoff) -> job_pb2.Backoff:
    message = job_pb2.Backoff(jitter=backoff.jitter)
    if isinstance(backoff, model.FixedBackoff):
        message.fixed.delay.CopyFrom(to_duration(backoff.delay))
    elif isinstance(backoff, model.ExponentialBackoff):
        message.exponential.initial_delay.CopyFrom(to_duration(backoff.initial_delay))
        message.exponential.multiplier = backoff.multiplier
        if backoff.max_delay is not None:
            message.exponential.max_delay.CopyFrom(to_duration(backoff.max_delay))
    else:
        message.list.delays.extend(to_duration(delay) for delay in backoff.delays)
    return message


def to_retention(retention: model.Retention) -> job_pb2.Retention:
    """Build a Retention; what is None stays unset."""
    check_numbers(max_count=retention.max_count)
    age = None if retention.max_age is None else to_duration(retention.max_age)
    return job_pb2.Retention(max_age=age, max_count=retention.max_count)


def to_value(value: Any) -> Value:
    """Build a protobuf Value from any JSON value. TypeError: it is none."""
    message = Value()
    try:
        json_format.ParseDict(value, message)
    except (json_format.ParseError, TypeError, ValueError) as error:
        raise TypeError(f"progress must be a JSON value, not {reprlib.repr(value)}") from error
    return message


# An enum's call is a third of what an added job costs.
job_state = {int(state): state for state in model.JobState}.__getitem__
_durability = {int(level): level for level in model.Durability}.__getitem__


def added(response: producer_pb2.AddJobResponse) -> model.AddedJob:
    """Read what became of an added job."""
    run_time = from_timestamp(response.run_time) if response.HasField("run_time") else None
    state, durability = job_state(response.state), _durability(response.durability)
    return model.AddedJob(response.job_id, response.created, state, run_time, durability, response.deduplicated)


def job_info(job: job_pb2.Job) -> model.JobInfo:
    """Read a job."""
    spec = job.spec
    return model.JobInfo(
        queue=job.queue,
        id=job.id,
        name=spec.name,
        state=model.JobState(job.state),
        attempt=job.attempt,
        max_attempts=spec.retry.max_attempts or None,
        priority=spec.priority,
        group=spec.group,
        headers=dict(spec.headers),
        raw_payload=spec.payload,
        content_type=spec.content_type or JSON_TYPE,
        raw_result=job.result,
        result_content_type=job.result_content_type,
        progress=json_format.MessageToDict(job.progress) if job.HasField("progress") else None,
        failures=[_failure(failure) for failure in job.failures],
        failure_count=job.failure_count,
        lease_expirations=job.lease_expirations,
        cancel_requested=job.cancel_requested,
        worker_id=job.worker_id,
        schedule_id=job.schedule_id,
        depends_on=[_dependency(it) for it in spec.dependencies],
        dependents=[model.JobRef(it.queue, it.job_id) for it in job.dependents],
        **{name: _time(job, name) for name in _JOB_TIMES},
    )


_JOB_TIMES = ("create_time", "run_time", "start_time", "finish_time", "expire_time", "lease_expire_time")


def _time(message: Message, field: str) -> Any:
    return from_timestamp(getattr(message, field)) if message.HasField(field) else None


def _failure(failure: job_pb2.Failure) -> model.Failure:
    return model.Failure(
        kind=model.FailureKind(failure.kind),
        type=failure.type,
        message=failure.message,
        stack_trace=failure.stack_trace,
        attempt=failure.attempt,
        time=_time(failure, "time"),
        worker_id=failure.worker_id,
    )


def stats(message: job_pb2.QueueStats) -> model.Stats:
    """Read a queue's counts."""
    return model.Stats(
        waiting=message.waiting,
        delayed=message.delayed,
        blocked=message.blocked,
        active=message.active,
        completed=message.completed,
        failed=message.failed,
        cancelled=message.cancelled,
        paused=message.paused,
        oldest_waiting_age=from_duration(message.oldest_waiting_age) if message.HasField("oldest_waiting_age") else None,
        workers=message.workers,
        added_total=message.added_total,
        completed_total=message.completed_total,
        failed_total=message.failed_total,
        hold_expire_time=from_timestamp(message.hold_expire_time) if message.HasField("hold_expire_time") else None,
    )


def queue_info(queue: admin_pb2.Queue) -> model.QueueInfo:
    """Read a queue."""
    return model.QueueInfo(queue.name, _queue_config(queue.config), stats(queue.stats))


def _queue_config(config: admin_pb2.QueueConfig) -> model.QueueConfig:
    retry = config.default_retry
    return model.QueueConfig(
        attempts=retry.max_attempts or None,
        backoff=_from_backoff(retry.backoff) if retry.HasField("backoff") else None,
        completed_retention=_from_retention(config.completed_retention) if config.HasField("completed_retention") else None,
        failed_retention=_from_retention(config.failed_retention) if config.HasField("failed_retention") else None,
        dead_letter_queue=config.dead_letter_queue or None,
        max_lease_expirations=config.max_lease_expirations if config.HasField("max_lease_expirations") else None,
        max_events=config.max_events if config.HasField("max_events") else None,
        max_active=config.max_active or None,
        rate_limit=_from_rate_limit(config.rate_limit) if config.HasField("rate_limit") else None,
        max_waiting=config.max_waiting or None,
        group_defaults=_from_group_defaults(config.group_defaults) if config.HasField("group_defaults") else None,
    )


def to_group_defaults(defaults: model.GroupDefaults) -> admin_pb2.GroupDefaults:
    """Write what holds for each group; what is None stays unset."""
    check_numbers(max_active=defaults.max_active, max_waiting=defaults.max_waiting)
    limit = None if defaults.rate_limit is None else to_rate_limit(defaults.rate_limit)
    return admin_pb2.GroupDefaults(max_active=defaults.max_active or 0, rate_limit=limit, max_waiting=defaults.max_waiting or 0)


def _from_group_defaults(defaults: admin_pb2.GroupDefaults) -> model.GroupDefaults:
    return model.GroupDefaults(
        max_active=defaults.max_active or None,
        rate_limit=_from_rate_limit(defaults.rate_limit) if defaults.HasField("rate_limit") else None,
        max_waiting=defaults.max_waiting or None,
    )


def group(message: admin_pb2.Group) -> model.Group:
    """Read a group."""
    config = message.config
    own = model.GroupConfig(
        max_active=config.max_active if config.HasField("max_active") else None,
        rate_limit=_from_rate_limit(config.rate_limit) if config.HasField("rate_limit") else None,
        max_waiting=config.max_waiting if config.HasField("max_waiting") else None,
        weight=config.weight if config.HasField("weight") else None,
        paused=config.paused,
    )
    return model.Group(message.name, own, message.waiting, message.active)


def to_rate_limit(limit: model.RateLimit) -> admin_pb2.RateLimit:
    """Write a rate limit."""
    check_numbers(max_jobs=limit.max_jobs)
    return admin_pb2.RateLimit(max_jobs=limit.max_jobs, duration=to_duration(limit.duration))


def _from_rate_limit(limit: admin_pb2.RateLimit) -> model.RateLimit:
    return model.RateLimit(limit.max_jobs, from_duration(limit.duration))


def _from_backoff(backoff: job_pb2.Backoff) -> model.Backoff | None:
    kind = backoff.WhichOneof("kind")
    if kind == "fixed":
        return model.FixedBackoff(from_duration(backoff.fixed.delay), backoff.jitter)
    if kind == "exponential":
        message = backoff.exponential
        return model.ExponentialBackoff(
            from_duration(message.initial_delay),
            message.multiplier if message.HasField("multiplier") else 2.0,
            from_duration(message.max_delay) if message.HasField("max_delay") else None,
            backoff.jitter,
        )
    if kind == "list":
        return model.ListBackoff(tuple(_seconds(delay) for delay in backoff.list.delays), backoff.jitter)
    return None


def _seconds(duration: Duration) -> model.Seconds:
    return from_duration(duration)


def _from_retention(retention: job_pb2.Retention) -> model.Retention:
    return model.Retention(
        from_duration(retention.max_age) if retention.HasField("max_age") else None,
        retention.max_count if retention.HasField("max_count") else None,
    )


_event_kinds = {int(kind): kind for kind in model.EventKind}


def event(queue: str, message: admin_pb2.Event) -> model.Event:
    """Read an event."""
    return model.Event(
        queue=queue,
        kind=_event_kinds.get(message.kind, message.kind),
        job_id=message.job_id,
        time=from_timestamp(message.time),
        state=job_state(message.state) if message.state else None,
        worker_id=message.worker_id,
        reason=message.reason,
        resume_token=message.resume_token,
    )


def metrics_point(point: admin_pb2.MetricsPoint) -> model.MetricsPoint:
    """Read a point of a queue's metrics."""
    return model.MetricsPoint(
        time=from_timestamp(point.time),
        completed=point.completed,
        failed=point.failed,
        wait_time=_quantiles(point.wait_time) if point.HasField("wait_time") else None,
        run_time=_quantiles(point.run_time) if point.HasField("run_time") else None,
    )


def _quantiles(times: admin_pb2.TimeQuantiles) -> model.TimeQuantiles:
    return model.TimeQuantiles(times.count, from_duration(times.p50), from_duration(times.p95), from_duration(times.p99))


def worker_status(worker: admin_pb2.Worker) -> model.WorkerStatus:
    """Read a worker's entry in the registry."""
    info = worker.info
    return model.WorkerStatus(
        worker_id=info.worker_id,
        hostname=info.hostname,
        pid=info.pid,
        language=info.language,
        sdk_version=info.sdk_version,
        queues=list(info.queues),
        concurrency=info.concurrency,
        running=info.running,
        heartbeat_time=_time(worker, "heartbeat_time"),
        poll_time=_time(worker, "poll_time"),
    )


def server_info(response: admin_pb2.GetServerInfoResponse) -> model.ServerInfo:
    """Read what the server is."""
    store = response.store
    return model.ServerInfo(
        version=response.version,
        store=model.StoreInfo(
            kind=store.kind,
            version=store.version,
            embedded=store.embedded,
            default_durability=model.Durability(store.default_durability),
            max_durability=model.Durability(store.max_durability),
            warnings=list(store.warnings),
            used_memory_bytes=store.used_memory_bytes,
            max_memory_bytes=store.max_memory_bytes,
        ),
        capabilities=list(response.capabilities),
        max_payload_bytes=response.max_payload_bytes,
        max_batch_size=response.max_batch_size,
        start_time=_time(response, "start_time"),
    )


def schedule_info(schedule: schedule_pb2.Schedule) -> model.ScheduleInfo:
    """Read a schedule."""
    return model.ScheduleInfo(
        queue=schedule.queue,
        id=schedule.id,
        cron=schedule.cron if schedule.HasField("cron") else None,
        every=from_duration(schedule.every) if schedule.HasField("every") else None,
        time_zone=schedule.time_zone or "UTC",
        start_time=_time(schedule, "start_time"),
        end_time=_time(schedule, "end_time"),
        max_runs=schedule.max_runs or None,
        overlap=model.Overlap(schedule.overlap or model.Overlap.ALLOW),
        catch_up_window=from_duration(schedule.catch_up_window) if schedule.HasField("catch_up_window") else None,
        job=_new_job(schedule.job),
        next_run_time=_time(schedule, "next_run_time"),
        last_run_time=_time(schedule, "last_run_time"),
        run_count=schedule.run_count,
        paused=schedule.paused,
        last_job_id=schedule.last_job_id or None,
    )


def _new_job(spec: job_pb2.JobSpec) -> model.NewJob:
    """Read what a producer said, so that it can be said again."""
    retry = spec.retry
    return model.NewJob(
        payload=_payload(spec),
        name=spec.name,
        delay=from_duration(spec.delay) if spec.HasField("delay") else None,
        priority=spec.priority,
        lifo=spec.lifo,
        attempts=retry.max_attempts or None,
        backoff=_from_backoff(retry.backoff) if retry.HasField("backoff") else None,
        timeout=from_duration(spec.timeout) if spec.HasField("timeout") else None,
        ttl=from_duration(spec.ttl) if spec.HasField("ttl") else None,
        headers=dict(spec.headers) or None,
        content_type=spec.content_type or None,
        completed_retention=_from_retention(spec.completed_retention) if spec.HasField("completed_retention") else None,
        failed_retention=_from_retention(spec.failed_retention) if spec.HasField("failed_retention") else None,
        dead_letter_queue=spec.dead_letter_queue or None,
        max_lease_expirations=spec.max_lease_expirations if spec.HasField("max_lease_expirations") else None,
        group=spec.group or None,
    )


def _payload(spec: job_pb2.JobSpec) -> Any:
    try:
        return decode(spec.payload, spec.content_type)
    except ValueError:
        return spec.payload  # it says that it is JSON, and is none


def triggered(response: schedule_pb2.TriggerScheduleResponse) -> model.TriggeredJob:
    """Read what became of a trigger."""
    return model.TriggeredJob(response.job_id, response.created, model.JobState(response.state))
