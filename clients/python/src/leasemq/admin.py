"""What operators and dashboards call; reached as `client.admin`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, Final, Protocol, TypeVar

from leasemq import convert
from leasemq.checking import check_is, check_settings, check_several, made
from leasemq.codec import check_numbers, encode, to_duration, to_timestamp
from leasemq.connection import Connection, Method
from leasemq.model import (
    Backoff,
    BulkResult,
    Cascade,
    Group,
    GroupDefaults,
    JobInfo,
    JobState,
    MetricsPoint,
    QueueInfo,
    RateLimit,
    Retention,
    Seconds,
    ServerInfo,
    Stats,
    WorkerStatus,
)
from leasemq.v1 import admin_pb2, job_pb2

PAGE_SIZE = 500
IDS_PER_CALL = 1_000


class Unset(Enum):
    """The default of an option of `update_queue` and `update_group`: leave it as it is. None: back to its default."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET

_WITHOUT_PAYLOAD = [
    *(field.name for field in job_pb2.Job.DESCRIPTOR.fields if field.name not in ("spec", "result")),
    *(f"spec.{field.name}" for field in job_pb2.JobSpec.DESCRIPTOR.fields if field.name != "payload"),
]


class _Page(Protocol):
    next_page_token: str


Page = TypeVar("Page", bound=_Page)


class Admin:
    """Reads and steers queues, jobs and workers. Every method may raise Unavailable and InvalidField besides the errors named."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def stats(self, queue: str) -> Stats:
        """Count a queue's jobs; all zero for a queue that nobody used yet."""
        request = made(admin_pb2.GetStatsRequest, queue=queue)
        return convert.stats((await self._connection.call(self._connection.stubs.admin.GetStats, request)).stats)

    async def queues(self) -> AsyncIterator[QueueInfo]:
        """Iterate over all queues by name, with configuration and counts."""
        token = ""
        while True:
            request = admin_pb2.ListQueuesRequest(page_size=PAGE_SIZE, page_token=token)
            page = await self._connection.call(self._connection.stubs.admin.ListQueues, request)
            for queue in page.queues:
                yield convert.queue_info(queue)
            token = page.next_page_token
            if not token:
                return

    async def queue(self, queue: str) -> QueueInfo:
        """Read one queue. Errors: QueueNotFound."""
        request = made(admin_pb2.GetQueueRequest, queue=queue)
        return convert.queue_info((await self._connection.call(self._connection.stubs.admin.GetQueue, request)).queue)

    async def update_queue(
        self,
        queue: str,
        *,
        attempts: int | Unset | None = UNSET,
        backoff: Backoff | Unset | None = UNSET,
        completed_retention: Retention | Unset | None = UNSET,
        failed_retention: Retention | Unset | None = UNSET,
        dead_letter_queue: str | Unset | None = UNSET,
        max_lease_expirations: int | Unset | None = UNSET,
        max_events: int | Unset | None = UNSET,
        max_active: int | Unset | None = UNSET,
        rate_limit: RateLimit | Unset | None = UNSET,
        max_waiting: int | Unset | None = UNSET,
        group_defaults: GroupDefaults | Unset | None = UNSET,
    ) -> QueueInfo:
        """Change a queue's limits, and what holds for jobs that say nothing themselves; makes the queue if need be.

        None puts an option back to the server's default, a limit to none.

        max_active: the most jobs that run at a time, over all workers. rate_limit: the most that start in a time.
        max_waiting: the most jobs that are waiting and delayed; an add of more is QueueFull. group_defaults: the limits of each
        group that has none of its own (`update_group`), as a whole.

        `attempts` and `backoff` are one setting: giving one of them sets the other to its default.
        """
        config = admin_pb2.QueueConfig()
        paths = _fill(
            config,
            {
                "completed_retention": completed_retention,
                "failed_retention": failed_retention,
                "dead_letter_queue": dead_letter_queue,
                "max_lease_expirations": max_lease_expirations,
                "max_events": max_events,
                "max_active": max_active,
                "rate_limit": rate_limit,
                "max_waiting": max_waiting,
                "group_defaults": group_defaults,
            },
        )
        if attempts is not UNSET or backoff is not UNSET:
            paths.append("default_retry")
            tries, waits = None if attempts is UNSET else attempts, None if backoff is UNSET else backoff
            check_settings(attempts=tries, backoff=waits)
            retry = convert.to_retry(tries, waits)
            if retry.max_attempts or retry.HasField("backoff"):
                config.default_retry.CopyFrom(retry)
        request = made(admin_pb2.UpdateQueueRequest, queue=queue, config=config)
        request.update_mask.paths.extend(paths)
        return convert.queue_info((await self._connection.call(self._connection.stubs.admin.UpdateQueue, request)).queue)

    async def pause(self, queue: str) -> None:
        """Give out no more leases, making the queue if need be; running jobs finish."""
        await self._connection.call(self._connection.stubs.admin.PauseQueue, made(admin_pb2.PauseQueueRequest, queue=queue))

    async def resume(self, queue: str) -> None:
        """Give out leases again."""
        await self._connection.call(self._connection.stubs.admin.ResumeQueue, made(admin_pb2.ResumeQueueRequest, queue=queue))

    async def drain(self, queue: str, *, include_delayed: bool = False) -> int:
        """Remove the waiting jobs, and the delayed ones if asked; return how many."""
        removed = 0
        while True:
            request = made(admin_pb2.DrainQueueRequest, queue=queue, include_delayed=include_delayed)
            response = await self._connection.call(self._connection.stubs.admin.DrainQueue, request)
            removed += response.removed_count
            if not response.more:
                return removed

    async def delete_queue(self, queue: str, *, force: bool = False) -> int:
        """Remove a queue with everything in it; return how many jobs.

        Errors: QueueNotFound; QueueNotEmpty (unfinished jobs and no force).
        """
        removed = 0
        while True:
            request = made(admin_pb2.DeleteQueueRequest, queue=queue, force=force)
            response = await self._connection.call(self._connection.stubs.admin.DeleteQueue, request)
            removed += response.removed_count
            if not response.more:
                return removed

    async def jobs(
        self,
        queue: str,
        *,
        states: Sequence[JobState] = (),
        name: str | None = None,
        group: str | None = None,
        descending: bool = False,
        limit: int | None = None,
        with_payload: bool = True,
    ) -> AsyncIterator[JobInfo]:
        """Iterate over jobs, state by state in the order given (default all), in lease order or oldest first unless descending.

        name, group: only jobs of this name, of this group. limit: at most this many. with_payload=False leaves payloads and
        results out of the answer.
        """
        check_several("JobState", states=states)
        request = made(
            admin_pb2.ListJobsRequest,
            queue=queue,
            states=[convert.wire(state) for state in states],
            name=name or "",
            group=group or "",
            order_by="desc" if descending else "asc",
        )
        if not with_payload:
            request.read_mask.paths.extend(_WITHOUT_PAYLOAD)
        check_numbers(limit=limit)
        left = limit
        while left is None or left > 0:
            request.page_size = PAGE_SIZE if left is None else min(left, PAGE_SIZE)
            page = await self._connection.call(self._connection.stubs.admin.ListJobs, request)
            for job in page.jobs:
                yield convert.job_info(job)
            left = None if left is None else left - len(page.jobs)
            request.page_token = page.next_page_token
            if not request.page_token:
                return

    async def logs(self, queue: str, id: str) -> AsyncIterator[str]:  # noqa: A002 - the contract's name
        """Iterate over a job's log lines, oldest first; the newest 1,000 are kept. Errors: JobNotFound."""
        token = ""
        while True:
            request = made(admin_pb2.ListJobLogsRequest, queue=queue, job_id=id, page_size=PAGE_SIZE, page_token=token)
            page = await self._connection.call(self._connection.stubs.admin.ListJobLogs, request)
            for line in page.lines:
                yield line
            token = page.next_page_token
            if not token:
                return

    async def retry(
        self,
        queue: str,
        *,
        ids: Sequence[str] | None = None,
        state: JobState | None = None,
        older_than: Seconds | None = None,
        name: str | None = None,
        group: str | None = None,
        limit: int | None = None,
        keep_attempts: bool = False,
        on_progress: Callable[[BulkResult], Any] | None = None,
    ) -> BulkResult:
        """Redrive finished jobs: those named by `ids`, or all that match (default state FAILED).

        Their attempts start at 0 unless keep_attempts. older_than: only jobs that finished longer ago. name,
        group: only jobs of these. limit: at most this many. on_progress: called with the counts so far.
        ValueError: ids together with any of the others.
        """
        request = made(admin_pb2.RetryJobsRequest, queue=queue, keep_attempts=keep_attempts)
        pages = self._bulk(self._connection.stubs.admin.RetryJobs, request, ids, _filter(state, older_than, name, group, limit))
        return await _total(
            (BulkResult(page.retried_count, page.not_found_count, page.skipped_count) async for page in pages), on_progress
        )

    async def promote(
        self,
        queue: str,
        *,
        ids: Sequence[str] | None = None,
        older_than: Seconds | None = None,
        name: str | None = None,
        group: str | None = None,
        limit: int | None = None,
        on_progress: Callable[[BulkResult], Any] | None = None,
    ) -> BulkResult:
        """Make delayed jobs wait for no time any more: those named by `ids`, or all that match.

        older_than: only jobs added longer ago. name, group: only jobs of these. limit: at most this many.
        on_progress: called with the counts so far.
        ValueError: ids together with any of the others.
        """
        request = made(admin_pb2.PromoteJobsRequest, queue=queue)
        pages = self._bulk(self._connection.stubs.admin.PromoteJobs, request, ids, _filter(None, older_than, name, group, limit))
        return await _total(
            (BulkResult(page.promoted_count, page.not_found_count, page.skipped_count) async for page in pages), on_progress
        )

    async def delete(
        self,
        queue: str,
        *,
        ids: Sequence[str] | None = None,
        state: JobState | None = None,
        older_than: Seconds | None = None,
        name: str | None = None,
        group: str | None = None,
        limit: int | None = None,
        cascade: Cascade = Cascade.NONE,
        on_progress: Callable[[BulkResult], Any] | None = None,
    ) -> BulkResult:
        """Remove jobs that are not leased: those named by `ids`, or all of `state` that match.

        older_than: only jobs that finished (finished ones) or were added (others) longer ago. name, group: only jobs of
        these. limit: at most this many.
        cascade, with ids alone: removes these too, leased ones excepted; they are not counted.
        on_progress: called with the counts so far.
        ValueError: ids together with any of the others. InvalidField: neither ids nor a state.
        """
        request = made(admin_pb2.DeleteJobsRequest, queue=queue, cascade=convert.wire(cascade))
        pages = self._bulk(self._connection.stubs.admin.DeleteJobs, request, ids, _filter(state, older_than, name, group, limit))
        return await _total(
            (BulkResult(page.deleted_count, page.not_found_count, page.skipped_count) async for page in pages), on_progress
        )

    async def cancel(
        self,
        queue: str,
        *,
        ids: Sequence[str] | None = None,
        state: JobState | None = None,
        older_than: Seconds | None = None,
        name: str | None = None,
        group: str | None = None,
        limit: int | None = None,
        reason: str = "",
        on_progress: Callable[[BulkResult], Any] | None = None,
    ) -> BulkResult:
        """Cancel jobs: those named by `ids`, or all of `state` (WAITING, DELAYED, BLOCKED or ACTIVE) that match.

        Those that run are counted too; their workers are told within a second. older_than: only jobs added longer ago.
        name, group: only jobs of these. limit: at most this many. reason: told to the workers and kept.
        on_progress: called with the counts so far.
        ValueError: ids together with any of the others. InvalidField: neither ids nor a state.
        """
        request = made(admin_pb2.CancelJobsRequest, queue=queue, reason=reason)
        pages = self._bulk(self._connection.stubs.admin.CancelJobs, request, ids, _filter(state, older_than, name, group, limit))
        results = (BulkResult(page.cancelled_count, page.not_found_count, page.skipped_count) async for page in pages)
        return await _total(results, on_progress)

    async def search(
        self,
        queue: str,
        *,
        id_prefix: str = "",
        name: str = "",
        group: str = "",
        payload: str = "",
        failure: str = "",
        states: Sequence[JobState] = (),
        with_payload: bool = True,
        on_progress: Callable[[int], Any] | None = None,
    ) -> AsyncIterator[JobInfo]:
        """Iterate over the jobs that hold all that is given; upper and lower case are told apart.

        id_prefix: how the id begins. name, group: the whole name, the whole group. payload, failure: text somewhere in the
        payload, or in a failure's type, message or stack trace. states: default all. It looks at every job of these states, some
        thousand a call. on_progress: called with how many it has looked at so far. with_payload=False leaves payloads and results
        out.
        """
        check_several("JobState", states=states)
        query = made(admin_pb2.JobQuery, id_prefix=id_prefix, name=name, group=group, payload_text=payload, failure_text=failure)
        request = made(admin_pb2.SearchJobsRequest, queue=queue, query=query, states=[convert.wire(state) for state in states])
        if not with_payload:
            request.read_mask.paths.extend(_WITHOUT_PAYLOAD)
        examined = 0
        while True:
            page = await self._connection.call(self._connection.stubs.admin.SearchJobs, request)
            examined += page.examined_count
            if on_progress is not None:
                on_progress(examined)
            for job in page.jobs:
                yield convert.job_info(job)
            request.page_token = page.next_page_token
            if not request.page_token:
                return

    async def _bulk(
        self, method: Method[Any, Page], request: Any, ids: Sequence[str] | None, matching: admin_pb2.JobFilter
    ) -> AsyncIterator[Page]:
        if ids is None:
            request.filter.CopyFrom(matching)
            selections: list[admin_pb2.JobIds | None] = [None]
        elif matching != admin_pb2.JobFilter():
            raise ValueError("jobs are selected by ids or by a filter, not by both")
        else:
            check_several("text", ids=ids)
            ids = list(ids)
            selections = [made(admin_pb2.JobIds, ids=ids[at : at + IDS_PER_CALL]) for at in range(0, len(ids), IDS_PER_CALL)]
        for selection in selections:
            if selection is not None:
                request.job_ids.CopyFrom(selection)
            request.page_token = ""
            while True:
                page = await self._connection.call(method, request)
                yield page
                request.page_token = page.next_page_token
                if not request.page_token:
                    break

    async def update_job(
        self,
        queue: str,
        id: str,  # noqa: A002 - the contract's name
        *,
        payload: Any = UNSET,
        priority: int | Unset = UNSET,
        run_time: datetime | Unset | None = UNSET,
    ) -> JobInfo:
        """Change a job that is waiting or delayed, and return it.

        payload: as for `Client.add`, but its content type stays: JSON for a job that was added with bytes is sent as bytes.
        priority: moves a waiting job to the tail of its new one. run_time: a time to come delays it; one in the past, or None,
        lets it start at once.
        Errors: JobNotFound; JobNotInState (it has started); PayloadTooLarge. ValueError: nothing to change.
        """
        request = made(admin_pb2.UpdateJobRequest, queue=queue, job_id=id)
        if payload is not UNSET:
            request.payload = encode(payload, None)[0]
        if not isinstance(priority, Unset):
            check_settings(priority=priority)
            check_numbers(priority=priority)
            request.priority = priority
        if run_time is not None and run_time is not UNSET:
            request.run_time.CopyFrom(to_timestamp(run_time, "run_time"))
        named = {"payload": payload, "priority": priority, "run_time": run_time}
        request.update_mask.paths.extend(name for name, value in named.items() if value is not UNSET)
        if not request.update_mask.paths:
            raise ValueError("nothing to change: give payload, priority or run_time")
        return convert.job_info((await self._connection.call(self._connection.stubs.admin.UpdateJob, request)).job)

    async def groups(self, queue: str, group: str | None = None) -> AsyncIterator[Group]:
        """Iterate over the groups of a queue that have waiting or active jobs, or settings of their own; each once, in no order.

        group: only this one. A queue that nobody used yet has none.
        """
        request = made(admin_pb2.ListGroupsRequest, queue=queue, group=group or "", page_size=PAGE_SIZE)
        named = set[str]()
        while True:
            page = await self._connection.call(self._connection.stubs.admin.ListGroups, request)
            for found in page.groups:
                if found.name not in named:  # the server, which keeps no list of them, may name one again
                    named.add(found.name)
                    yield convert.group(found)
            request.page_token = page.next_page_token
            if not request.page_token:
                return

    async def update_group(
        self,
        queue: str,
        group: str,
        *,
        max_active: int | Unset | None = UNSET,
        rate_limit: RateLimit | Unset | None = UNSET,
        max_waiting: int | Unset | None = UNSET,
        weight: int | Unset | None = UNSET,
        paused: bool | Unset = UNSET,
    ) -> Group:
        """Give a group settings of its own, instead of the queue's `group_defaults`; it need not have jobs yet.

        None puts a setting back to the queue's default. What they let through now is leased at once.

        max_active: the most of its jobs that run at a time, over all workers, 1 to 1,000,000; 0 = no limit.
        rate_limit: the most of them that start in a time. max_waiting: the most of them that are WAITING, 1 to 1,000,000,000, 0 =
        no limit; an add of more is GroupFull. weight: how many are leased each time that its turn comes, 1 to 1,000; default 1.
        paused: True leases none of its jobs, running ones finish; False goes on.
        Errors: QueueNotFound.
        """
        config = admin_pb2.GroupConfig()
        options = {
            "max_active": max_active,
            "rate_limit": rate_limit,
            "max_waiting": max_waiting,
            "weight": weight,
            "paused": paused,
        }
        paths = _fill(config, options)
        request = made(admin_pb2.UpdateGroupRequest, queue=queue, group=group, config=config)
        request.update_mask.paths.extend(paths)
        return convert.group((await self._connection.call(self._connection.stubs.admin.UpdateGroup, request)).group)

    async def workers(self, queue: str | None = None) -> AsyncIterator[WorkerStatus]:
        """Iterate over the workers that were heard of in the last minute, by id; queue: only those of this queue."""
        token = ""
        while True:
            request = made(admin_pb2.ListWorkersRequest, queue=queue or "", page_size=PAGE_SIZE, page_token=token)
            page = await self._connection.call(self._connection.stubs.admin.ListWorkers, request)
            for worker in page.workers:
                yield convert.worker_status(worker)
            token = page.next_page_token
            if not token:
                return

    async def metrics(
        self, queue: str, *, start: datetime | None = None, end: datetime | None = None, resolution: Seconds = 60
    ) -> list[MetricsPoint]:
        """Read what was counted from start (default an hour before end) to end (default now), a point for each resolution.

        It is kept for 24 hours; what is older is all zero. resolution: whole minutes, 1 min to 24 h.
        Errors: InvalidField, also for more than 1,440 points.
        """
        request = made(admin_pb2.GetMetricsRequest, queue=queue, resolution=to_duration(resolution, "resolution"))
        if start is not None:
            request.start.CopyFrom(to_timestamp(start, "start"))
        if end is not None:
            request.end.CopyFrom(to_timestamp(end, "end"))
        response = await self._connection.call(self._connection.stubs.admin.GetMetrics, request)
        return [convert.metrics_point(point) for point in response.points]

    async def server_info(self) -> ServerInfo:
        """Say what the server is and what it stands on."""
        return convert.server_info(
            await self._connection.call(self._connection.stubs.admin.GetServerInfo, admin_pb2.GetServerInfoRequest())
        )


def _filter(
    state: JobState | None, older_than: Seconds | None, name: str | None, group: str | None, limit: int | None
) -> admin_pb2.JobFilter:
    check_is("a JobState", JobState, type(None), state=state)  # a number may be a slip, and deletes
    check_numbers(1, limit=limit)  # 0 would be no limit, and nothing all names and all groups
    if "" in (name, group):
        raise ValueError("name and group are None, for all, or not empty")
    age = None if older_than is None else to_duration(older_than, "older_than")
    return made(
        admin_pb2.JobFilter, state=convert.wire(state or 0), older_than=age, name=name or "", group=group or "", limit=limit or 0
    )


async def _total(results: AsyncIterator[BulkResult], on_progress: Callable[[BulkResult], Any] | None) -> BulkResult:
    total = BulkResult(0, 0, 0)
    async for result in results:
        total = BulkResult(total.done + result.done, total.not_found + result.not_found, total.skipped + result.skipped)
        if on_progress is not None:
            on_progress(total)
    return total


_TO_MESSAGE: dict[str, Callable[[Any], Any]] = {
    "completed_retention": convert.to_retention,
    "failed_retention": convert.to_retention,
    "rate_limit": convert.to_rate_limit,
    "group_defaults": convert.to_group_defaults,
}


def _fill(config: admin_pb2.QueueConfig | admin_pb2.GroupConfig, options: Mapping[str, Any]) -> list[str]:
    """Set what was given; the names of all that is to change, those with None among them."""
    given = {name: value for name, value in options.items() if value is not UNSET}
    check_settings(**given)
    for name, value in given.items():
        if value is None:
            continue
        if name in _TO_MESSAGE:
            getattr(config, name).CopyFrom(_TO_MESSAGE[name](value))
        else:
            check_numbers(**{name: value})
            setattr(config, name, value)
    return list(given)
