"""ScheduleService: for services and operators that have jobs added by the clock."""

from typing import Any

from leasemq.v1 import job_pb2, schedule_pb2

from leasemq_server.broker.broker import Broker
from leasemq_server.broker.schedules import Place
from leasemq_server.jobs.check import Check
from leasemq_server.jobs.options import with_option
from leasemq_server.jobs.pages import listing_of, page_parts, page_token
from leasemq_server.jobs.schedules import check_schedule
from leasemq_server.jobs.specs import new_job
from leasemq_server.rpc.encode import STATES
from leasemq_server.rpc.wire import set_time
from leasemq_server.store.schedules import NewSchedule, StoredSchedule
from leasemq_server.store.types import NewJob

SERVICE = schedule_pb2.DESCRIPTOR.services_by_name["ScheduleService"]
# what the server tells of a schedule, or keeps elsewhere than in its rules
_NO_RULES = ("id", "queue", "job", "next_run_time", "last_run_time", "run_count", "paused", "last_job_id")


class ScheduleServicer:
    """Keeps schedules."""

    writes_reply = frozenset[str]()

    def __init__(self, broker: Broker) -> None:
        self._schedules = broker.schedules
        self._max_payload_bytes = broker.settings.max_payload_bytes

    async def UpsertSchedule(self, request: schedule_pb2.UpsertScheduleRequest, _: Any) -> schedule_pb2.UpsertScheduleResponse:
        check = Check()
        if not request.HasField("schedule"):
            check.wrong("schedule", "is required")
        new = self._new_schedule(request.schedule, check)
        check.done()
        stored, created = await self._schedules.upsert(request.schedule.queue, new)
        return schedule_pb2.UpsertScheduleResponse(schedule=_message(request.schedule.queue, stored), created=created)

    def _new_schedule(self, said: schedule_pb2.Schedule, check: Check) -> NewSchedule:
        check.at = "schedule."
        check_schedule(said, check)
        if not said.HasField("job"):
            check.wrong("job", "is required")
        check.at = "schedule.job."
        if said.job.id:
            check.wrong("id", "must be empty: the job of each run has an id of its own")
        if said.job.HasField("run_time"):
            check.wrong("run_time", "must be empty: the schedule says when; a delay after each run may be set")
        if said.job.HasField("deduplication"):
            check.wrong(
                "deduplication", "must be unset: a schedule's overlap says what becomes of a run while the last job is unfinished"
            )
        spec = job_pb2.JobSpec()
        spec.CopyFrom(said.job)
        job = new_job(spec, said.queue, self._max_payload_bytes, check)
        if spec.dependencies:
            check.wrong("dependencies", "must be empty: a schedule's job can't depend on others")
        check.at = ""
        rules = schedule_pb2.Schedule()
        rules.CopyFrom(said)
        for field in _NO_RULES:
            rules.ClearField(field)
        skips = said.overlap == schedule_pb2.SCHEDULE_OVERLAP_SKIP
        return NewSchedule(said.id, rules.SerializeToString(), _of_schedule(job, said.id), skips, said.max_runs)

    async def GetSchedule(self, request: schedule_pb2.GetScheduleRequest, _: Any) -> schedule_pb2.GetScheduleResponse:
        _check_schedule_named(request)
        stored = await self._schedules.get(request.queue, request.schedule_id)
        return schedule_pb2.GetScheduleResponse(schedule=_message(request.queue, stored))

    async def ListSchedules(self, request: schedule_pb2.ListSchedulesRequest, _: Any) -> schedule_pb2.ListSchedulesResponse:
        check = Check()
        if request.queue:
            check.queue(request.queue)
        size = check.page_size(request.page_size)
        after = page_parts(request.page_token, (listing_of(request), str, str), check)
        check.done()
        page, end = await self._schedules.page(request.queue, Place(after[1], after[2]) if after else None, size)
        return schedule_pb2.ListSchedulesResponse(
            schedules=[_message(queue, stored) for queue, stored in page],
            next_page_token=page_token(listing_of(request), *end) if end else "",
        )

    async def DeleteSchedule(self, request: schedule_pb2.DeleteScheduleRequest, _: Any) -> schedule_pb2.DeleteScheduleResponse:
        _check_schedule_named(request)
        await self._schedules.delete(request.queue, request.schedule_id)
        return schedule_pb2.DeleteScheduleResponse()

    async def PauseSchedule(self, request: schedule_pb2.PauseScheduleRequest, _: Any) -> schedule_pb2.PauseScheduleResponse:
        _check_schedule_named(request)
        stored = await self._schedules.pause(request.queue, request.schedule_id)
        return schedule_pb2.PauseScheduleResponse(schedule=_message(request.queue, stored))

    async def ResumeSchedule(self, request: schedule_pb2.ResumeScheduleRequest, _: Any) -> schedule_pb2.ResumeScheduleResponse:
        _check_schedule_named(request)
        stored = await self._schedules.resume(request.queue, request.schedule_id)
        return schedule_pb2.ResumeScheduleResponse(schedule=_message(request.queue, stored))

    async def TriggerSchedule(self, request: schedule_pb2.TriggerScheduleRequest, _: Any) -> schedule_pb2.TriggerScheduleResponse:
        check = Check()
        check.text(request.request_id, "request_id", required=False)
        _check_schedule_named(request, check)
        triggered = await self._schedules.trigger(request.queue, request.schedule_id, request.request_id)
        return schedule_pb2.TriggerScheduleResponse(
            job_id=triggered.job_id, created=triggered.created, state=STATES[triggered.state]
        )


def _check_schedule_named(request: Any, check: Check | None = None) -> None:
    check = check or Check()
    check.queue(request.queue)
    check.text(request.schedule_id, "schedule_id")
    check.done()


def _of_schedule(job: NewJob, schedule_id: str) -> NewJob:
    """The job with its schedule among its options."""
    return job._replace(options=with_option(job.options, "sc", schedule_id))


def _message(queue: str, stored: StoredSchedule) -> schedule_pb2.Schedule:
    """A schedule as it can be read."""
    schedule = schedule_pb2.Schedule.FromString(stored.rules)
    schedule.queue = queue
    schedule.id = stored.id
    schedule.job.MergeFromString(stored.spec)
    schedule.run_count = stored.run_count
    schedule.paused = stored.paused
    schedule.last_job_id = stored.last_job_id
    if stored.next_ms:
        set_time(schedule.next_run_time, stored.next_ms)
    if stored.last_ms:
        set_time(schedule.last_run_time, stored.last_ms)
    return schedule
