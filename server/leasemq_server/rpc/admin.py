"""AdminService: for operators and dashboards."""

from typing import Any

from leasemq.v1 import admin_pb2, job_pb2, worker_pb2

from leasemq_server.broker.broker import Broker
from leasemq_server.broker.bulk import BulkCounts, JobFilter, Verb, apply_to_ids, apply_to_matches, delete_queue_step
from leasemq_server.broker.changes import update_job
from leasemq_server.broker.search import Place, Search
from leasemq_server.errors import JobNotFoundError, QueueNotEmptyError, QueueNotFoundError
from leasemq_server.jobs import limits
from leasemq_server.jobs.changes import change_of
from leasemq_server.jobs.check import Check
from leasemq_server.jobs.options import config_options
from leasemq_server.jobs.pages import listing_of, page_parts, page_token
from leasemq_server.jobs.search import check_query
from leasemq_server.rpc.encode import (
    STATE_WORDS,
    check_mask,
    job_message,
    masked,
    queue_message,
    stats_message,
    wants_spec,
    with_fields,
)
from leasemq_server.rpc.events import EventHandlers
from leasemq_server.rpc.flow import check_cascade, delete_with
from leasemq_server.rpc.groups import GroupHandlers
from leasemq_server.rpc.metrics import MetricHandlers
from leasemq_server.rpc.wire import set_time
from leasemq_server.store.types import Position
from leasemq_server.version import __version__

SERVICE = admin_pb2.DESCRIPTOR.services_by_name["AdminService"]
CAPABILITIES = (
    "durability",
    "dead-letter-queue",
    "priority",
    "delay",
    "retry",
    "retention",
    "watch-worker",
    "work-stream",
    "produce-stream",
    "schedules",
    "deduplication",
    "search",
    "events",
    "metrics",
    "flows",
    "limits",
    "groups",
)
DEFAULT_ORDER = list(STATE_WORDS)
LOOK_S = 1.0  # the most that what is told of the store's settings is old


class AdminServicer(EventHandlers, GroupHandlers, MetricHandlers):
    """Reads and steers queues, jobs and workers."""

    writes_reply = frozenset[str]()

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._store = broker.store

    # -- queues --------------------------------------------------------------------------------------------------

    async def GetStats(self, request: admin_pb2.GetStatsRequest, _: Any) -> admin_pb2.GetStatsResponse:
        _check_queue(request)
        counts = await self._store.stats(request.queue)
        return admin_pb2.GetStatsResponse(stats=stats_message(counts, (await self._workers_by_queue()).get(request.queue, 0)))

    async def _workers_by_queue(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for _, info, _, _ in await self._store.workers(await self._store.time_ms()):
            for queue in worker_pb2.WorkerInfo.FromString(info).queues:
                counts[queue] = counts.get(queue, 0) + 1
        return counts

    async def ListQueues(self, request: admin_pb2.ListQueuesRequest, _: Any) -> admin_pb2.ListQueuesResponse:
        check = Check()
        size = check.page_size(request.page_size)
        after = page_parts(request.page_token, (listing_of(request), str), check)
        check.done()
        names = await self._store.queue_names(after[1] if after else "", size)
        workers = await self._workers_by_queue()
        queues = [queue_message(name, await self._store.stats(name), workers.get(name, 0)) for name in names]
        token = page_token(listing_of(request), names[-1]) if len(names) == size else ""
        return admin_pb2.ListQueuesResponse(queues=queues, next_page_token=token)

    async def GetQueue(self, request: admin_pb2.GetQueueRequest, _: Any) -> admin_pb2.GetQueueResponse:
        _check_queue(request)
        return admin_pb2.GetQueueResponse(queue=await self._queue(request.queue))

    async def _queue(self, name: str) -> admin_pb2.Queue:
        await self._must_exist(name)
        return queue_message(name, await self._store.stats(name), (await self._workers_by_queue()).get(name, 0))

    async def _must_exist(self, name: str) -> None:
        if not await self._store.queue_exists(name):
            raise QueueNotFoundError(name)

    async def UpdateQueue(self, request: admin_pb2.UpdateQueueRequest, _: Any) -> admin_pb2.UpdateQueueResponse:
        check = Check()
        check.queue(request.queue)
        if not request.HasField("config"):
            check.wrong("config", "is required")
        config_options(request.config, check)
        if request.config.dead_letter_queue and request.config.dead_letter_queue == request.queue:
            check.wrong("config.dead_letter_queue", "must be another queue than this one")
        check.done()
        check_mask(request.update_mask, "update_mask", admin_pb2.QueueConfig)
        while True:
            counts = await self._store.stats(request.queue)
            config = with_fields(admin_pb2.QueueConfig.FromString(counts.config), request.config, request.update_mask)
            options = config_options(config, check)  # parts that a mask picked may not go together with what is there
            check.done()
            await self._broker.queues.register(request.queue)
            if await self._store.configure(request.queue, counts.config, config.SerializeToString(), options):
                return admin_pb2.UpdateQueueResponse(queue=await self._queue(request.queue))

    async def PauseQueue(self, request: admin_pb2.PauseQueueRequest, _: Any) -> admin_pb2.PauseQueueResponse:
        _check_queue(request)
        await self._broker.queues.register(request.queue)
        await self._store.pause(request.queue, paused=True)
        return admin_pb2.PauseQueueResponse()

    async def ResumeQueue(self, request: admin_pb2.ResumeQueueRequest, _: Any) -> admin_pb2.ResumeQueueResponse:
        _check_queue(request)
        await self._store.pause(request.queue, paused=False)
        return admin_pb2.ResumeQueueResponse()

    async def DrainQueue(self, request: admin_pb2.DrainQueueRequest, _: Any) -> admin_pb2.DrainQueueResponse:
        _check_queue(request)
        removed, more = await self._store.drain(request.queue, "waiting")
        if request.include_delayed and not more:
            removed_delayed, more = await self._store.drain(request.queue, "delayed")
            removed += removed_delayed
        return admin_pb2.DrainQueueResponse(removed_count=removed, more=more)

    async def DeleteQueue(self, request: admin_pb2.DeleteQueueRequest, _: Any) -> admin_pb2.DeleteQueueResponse:
        _check_queue(request)
        await self._must_exist(request.queue)
        counts = await self._store.stats(request.queue)
        if not request.force and counts.waiting + counts.delayed + counts.blocked + counts.active:
            raise QueueNotEmptyError(request.queue)
        await self._broker.schedules.delete_all(request.queue, force=request.force)
        await self._broker.relay.relay(request.queue)  # its dead letters belong to another queue
        removed, left = await delete_queue_step(self._store, request.queue, force=request.force)
        if not left:
            left = not await self._store.drop_queue(request.queue)
            self._broker.queues.forget(request.queue)
        return admin_pb2.DeleteQueueResponse(removed_count=removed, more=left)

    # -- jobs ----------------------------------------------------------------------------------------------------

    async def ListJobs(self, request: admin_pb2.ListJobsRequest, _: Any) -> admin_pb2.ListJobsResponse:
        check = Check()
        check.queue(request.queue)
        size = check.page_size(request.page_size)
        states = _states(request, check)
        check.text(request.group, "group", required=False)
        if request.order_by not in ("", "asc", "desc"):
            check.wrong("order_by", f'must be "asc" or "desc"; got {request.order_by!r}')
        after = _place_after(request, states, check)
        check.done()
        check_mask(request.read_mask, "read_mask", job_pb2.Job)
        return await self._list(request, states, size, after)

    async def _list(
        self, request: admin_pb2.ListJobsRequest, states: list[str], size: int, after: list[Any] | None
    ) -> admin_pb2.ListJobsResponse:
        """A page over the states in turn: one bounded look at each, until the page is full or all were seen."""
        index, position = (after[1], Position(after[2], after[3])) if after else (0, None)
        descending = request.order_by == "desc"
        with_spec = bool(request.name or request.group) or wants_spec(request.read_mask)
        response = admin_pb2.ListJobsResponse()
        for at in range(index, len(states)):
            wanted = size - len(response.jobs)
            positions = await self._store.page(request.queue, states[at], position, wanted, descending=descending)
            ids = [found.id for found in positions]
            jobs = await self._store.read(request.queue, ids, with_spec=with_spec) if ids else []
            for stored in jobs:
                if stored is None or stored.state != states[at]:
                    continue  # it moved on between the two looks
                job = job_message(request.queue, stored)
                if request.name in ("", job.spec.name) and request.group in ("", job.spec.group):
                    response.jobs.append(masked(job, request.read_mask))
            if len(jobs) < len(positions) or len(positions) == wanted:
                last = positions[len(jobs) - 1]
                response.next_page_token = page_token(listing_of(request), at, last.score, last.id)
                return response
            position = None
        return response

    async def ListJobLogs(self, request: admin_pb2.ListJobLogsRequest, _: Any) -> admin_pb2.ListJobLogsResponse:
        check = Check()
        check.queue(request.queue)
        check.text(request.job_id, "job_id")
        size = check.page_size(request.page_size)
        after = page_parts(request.page_token, (listing_of(request), int), check)
        check.done()
        if (await self._store.read(request.queue, [request.job_id], with_spec=False))[0] is None:
            raise JobNotFoundError(request.queue, request.job_id)
        # lines are numbered from the first ever appended, so that a token stays true while old lines are dropped
        lines, following, total = await self._store.log_lines(request.queue, request.job_id, after[1] if after else 0, size)
        token = page_token(listing_of(request), following) if following < total else ""
        return admin_pb2.ListJobLogsResponse(lines=lines, next_page_token=token, line_count=total)

    async def RetryJobs(self, request: admin_pb2.RetryJobsRequest, _: Any) -> admin_pb2.RetryJobsResponse:
        async def verb(queue: str, ids: Any) -> list[str]:
            return await self._store.retry(queue, ids, keep_attempts=request.keep_attempts)

        counts, token = await self._bulk(request, verb, ("failed", "completed", "cancelled"))
        return admin_pb2.RetryJobsResponse(
            retried_count=counts.done, not_found_count=counts.not_found, skipped_count=counts.skipped, next_page_token=token
        )

    async def PromoteJobs(self, request: admin_pb2.PromoteJobsRequest, _: Any) -> admin_pb2.PromoteJobsResponse:
        counts, token = await self._bulk(request, self._store.promote, ("delayed",))
        return admin_pb2.PromoteJobsResponse(
            promoted_count=counts.done, not_found_count=counts.not_found, skipped_count=counts.skipped, next_page_token=token
        )

    async def DeleteJobs(self, request: admin_pb2.DeleteJobsRequest, _: Any) -> admin_pb2.DeleteJobsResponse:
        check = Check()
        check_cascade(request.cascade, check)
        if request.cascade and request.WhichOneof("selection") == "filter":
            check.wrong("cascade", "goes with job_ids alone")
        check.done()

        async def verb(queue: str, ids: Any) -> list[str]:
            await delete_with(self._broker, queue, ids, request.cascade)
            return await self._store.delete(queue, ids)

        counts, token = await self._bulk(request, verb, ("", "waiting", "delayed", "blocked", "completed", "failed", "cancelled"))
        return admin_pb2.DeleteJobsResponse(
            deleted_count=counts.done, not_found_count=counts.not_found, skipped_count=counts.skipped, next_page_token=token
        )

    async def CancelJobs(self, request: admin_pb2.CancelJobsRequest, _: Any) -> admin_pb2.CancelJobsResponse:
        async def verb(queue: str, ids: Any) -> list[str]:
            return [word for word, _ in await self._store.cancel(queue, [(job_id, request.reason) for job_id in ids])]

        check = Check()
        check.reason(request.reason)
        counts, token = await self._bulk(request, verb, ("", "waiting", "delayed", "blocked", "active"), check)
        return admin_pb2.CancelJobsResponse(
            cancelled_count=counts.done, not_found_count=counts.not_found, skipped_count=counts.skipped, next_page_token=token
        )

    async def _bulk(
        self, request: Any, verb: Verb, allowed: tuple[str, ...], check: Check | None = None
    ) -> tuple[BulkCounts, str]:
        """`allowed` begins with the state that holds when the filter names none; "" = it must name one."""
        check = check or Check()
        check.queue(request.queue)
        selection = request.WhichOneof("selection")
        if selection == "job_ids":
            check.batch(request.job_ids.ids, "job_ids.ids")
            for index, job_id in enumerate(request.job_ids.ids):
                check.text(job_id, f"job_ids.ids[{index}]")
            check.done()
            return await apply_to_ids(verb, request.queue, list(request.job_ids.ids)), ""
        if selection is None:
            check.wrong("selection", "is required: job_ids or filter")
            check.done()
        which = await self._filter(request.filter, allowed, check)
        after = page_parts(request.page_token, (listing_of(request), float, str, int), check)
        check.done()
        so_far = after[3] if after else 0
        if which.limit is not None:
            which = which._replace(limit=which.limit - so_far)
        step = await apply_to_matches(self._store, verb, request.queue, which, Position(after[1], after[2]) if after else None)
        done = so_far + step.counts.done
        if step.after is None or (which.limit is not None and step.counts.done >= which.limit):
            return step.counts, ""
        return step.counts, page_token(listing_of(request), step.after.score, step.after.id, done)

    async def _filter(self, said: admin_pb2.JobFilter, allowed: tuple[str, ...], check: Check) -> JobFilter:
        state = STATE_WORDS.get(said.state, "" if said.state == job_pb2.JOB_STATE_UNSPECIFIED else "?") or allowed[0]
        if state not in allowed or not state:
            names = ", ".join(f"JOB_STATE_{word.upper()}" for word in allowed if word)
            check.wrong(
                "filter.state", f"must be one of {names}; got {job_pb2.JobState.Name(said.state) if state != '?' else said.state}"
            )
        before_ms = None
        if said.HasField("older_than"):
            before_ms = await self._store.time_ms() - check.span(said.older_than, "filter.older_than")
        check.text(said.name, "filter.name", required=False)
        check.text(said.group, "filter.group", required=False)
        return JobFilter(state, before_ms, said.name, said.limit or None, said.group)

    async def SearchJobs(self, request: admin_pb2.SearchJobsRequest, _: Any) -> admin_pb2.SearchJobsResponse:
        check = Check()
        check.queue(request.queue)
        size = check.page_size(request.page_size)
        states = _states(request, check)
        check_query(request.query, check)
        after = _place_after(request, states, check)
        check.done()
        check_mask(request.read_mask, "read_mask", job_pb2.Job)
        place = Place(after[1], Position(after[2], after[3]) if after[3] else None) if after else Place(0, None)
        found = await Search(self._store, request.queue, states, request.query, size).run(place)
        response = admin_pb2.SearchJobsResponse(examined_count=found.examined)
        response.jobs.extend(masked(job_message(request.queue, stored), request.read_mask) for stored in found.jobs)
        if found.place is not None:
            last = found.place.last or Position("0", "")  # no id: from the state's first job on
            response.next_page_token = page_token(listing_of(request), found.place.state, last.score, last.id)
        return response

    async def UpdateJob(self, request: admin_pb2.UpdateJobRequest, _: Any) -> admin_pb2.UpdateJobResponse:
        check = Check()
        check.queue(request.queue)
        check.text(request.job_id, "job_id")
        change = change_of(request, self._broker.settings.max_payload_bytes, check)
        check.done()
        await update_job(self._store, request.queue, request.job_id, change)
        (stored,) = await self._store.read(request.queue, [request.job_id])
        if stored is None:
            raise JobNotFoundError(request.queue, request.job_id)
        return admin_pb2.UpdateJobResponse(job=job_message(request.queue, stored))

    # -- workers and the server ----------------------------------------------------------------------------------

    async def ListWorkers(self, request: admin_pb2.ListWorkersRequest, _: Any) -> admin_pb2.ListWorkersResponse:
        check = Check()
        if request.queue:
            check.queue(request.queue)
        size = check.page_size(request.page_size)
        after = page_parts(request.page_token, (listing_of(request), str), check)
        check.done()
        response = admin_pb2.ListWorkersResponse()
        for worker_id, info, heartbeat_ms, poll_ms in await self._store.workers(await self._store.time_ms()):
            worker = admin_pb2.Worker(info=worker_pb2.WorkerInfo.FromString(info))
            if (after and worker_id <= after[1]) or (request.queue and request.queue not in worker.info.queues):
                continue
            if len(response.workers) == size:
                response.next_page_token = page_token(listing_of(request), response.workers[-1].info.worker_id)
                break
            set_time(worker.heartbeat_time, heartbeat_ms)
            if poll_ms:
                set_time(worker.poll_time, poll_ms)
            response.workers.append(worker)
        return response

    async def GetServerInfo(self, _request: admin_pb2.GetServerInfoRequest, _: Any) -> admin_pb2.GetServerInfoResponse:
        await self._broker.look(LOOK_S)
        state = self._broker.state
        memory = await self._store.info("memory") if state.kind != "memory" else {}
        response = admin_pb2.GetServerInfoResponse(
            version=__version__,
            store=admin_pb2.StoreInfo(
                kind=state.kind,
                version=state.version,
                embedded=self._broker.settings.store is None,
                default_durability=f"DURABILITY_{max(self._broker.default_durability, state.implied_durability).name}",
                max_durability=f"DURABILITY_{state.max_durability.name}",
                warnings=state.warnings,
                used_memory_bytes=int(memory.get("used_memory", 0)),
                max_memory_bytes=int(memory.get("maxmemory", 0)),
            ),
            capabilities=CAPABILITIES,
            max_payload_bytes=self._broker.settings.max_payload_bytes,
            max_batch_size=limits.MAX_BATCH,
        )
        set_time(response.start_time, self._broker.start_ms)
        return response


def _check_queue(request: Any) -> None:
    check = Check()
    check.queue(request.queue)
    check.done()


def _place_after(request: Any, states: list[str], check: Check) -> list[Any] | None:
    """What the page token of a listing over states says: listing, the state's index, score and id of the job seen last."""
    after = page_parts(request.page_token, (listing_of(request), int, float, str), check)
    if after and not 0 <= after[1] < len(states):
        check.wrong("page_token", "must be the next_page_token of the same listing")
    return after


def _states(request: Any, check: Check) -> list[str]:
    states = list(request.states) or DEFAULT_ORDER
    words = [STATE_WORDS.get(state, "") for state in states]
    known = [word for word in words if word]
    if len(known) < len(states):
        check.wrong("states", "must be states of the enum other than UNSPECIFIED")
    return list(dict.fromkeys(known))
