"""What a service or an operator calls to have jobs added by the clock; reached as `client.schedules`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

from leasemq import convert
from leasemq.checking import check_is, made
from leasemq.codec import check_numbers, to_duration, to_timestamp
from leasemq.connection import Connection
from leasemq.model import NewJob, Overlap, ScheduleInfo, Seconds, TriggeredJob
from leasemq.v1 import job_pb2, schedule_pb2

PAGE_SIZE = 100


class Schedules:
    """Makes, changes and reads schedules. Every method may raise Unavailable and InvalidField besides the errors named."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def upsert(
        self,
        queue: str,
        id: str,  # noqa: A002 - the contract's name
        job: NewJob | None = None,
        *,
        cron: str | None = None,
        every: Seconds | None = None,
        time_zone: str | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        max_runs: int | None = None,
        overlap: Overlap = Overlap.ALLOW,
        catch_up_window: Seconds | None = None,
    ) -> ScheduleInfo:
        """Make a schedule, or change the one with this id: what isn't given goes back to its default, what has happened stays.

        Call it at each start of your service: when nothing has changed, nothing does, and no run is made twice.

        job: what each run adds; default a job without payload. It has no id and no run_time; all else is as in `Client.add`.
        cron / every: one of them. cron has five fields, or six with the second first, or is @hourly, @daily, @weekly, @monthly or
        @yearly. every is 0.1 s to 10 years, counted from start_time, or else from 1970: an hour is then on the hour.
        time_zone: the IANA name of the zone that cron is read in; default UTC.
        start_time / end_time: no run before / after that (aware) time. max_runs: runs in all; default no limit.
        overlap: SKIP leaves a run out while the job that the schedule added last is unfinished.
        catch_up_window: runs missed during an outage that are not older than this (at least 1 s) are all made; default: of the
        missed runs the latest is made.

        Errors: PayloadTooLarge; StoreFull after retry_timeout. TypeError, ValueError: the job or a time can't be encoded.
        """
        check_numbers(max_runs=max_runs)
        schedule = made(
            schedule_pb2.Schedule,
            id=id,
            queue=queue,
            cron=cron,
            every=None if every is None else to_duration(every, "every"),
            time_zone=time_zone or "",
            start_time=None if start_time is None else to_timestamp(start_time, "start_time"),
            end_time=None if end_time is None else to_timestamp(end_time, "end_time"),
            max_runs=max_runs or 0,
            overlap=convert.wire(overlap),
            catch_up_window=None if catch_up_window is None else to_duration(catch_up_window, "catch_up_window"),
            job=_template(queue, job or NewJob()),
        )
        if cron is not None and every is not None:
            raise ValueError("a schedule has a cron or an every, not both")
        request = schedule_pb2.UpsertScheduleRequest(schedule=schedule)
        response = await self._connection.call(self._connection.stubs.schedule.UpsertSchedule, request)
        return convert.schedule_info(response.schedule)

    async def get(self, queue: str, id: str) -> ScheduleInfo:  # noqa: A002 - the contract's name
        """Read a schedule. Errors: ScheduleNotFound."""
        request = made(schedule_pb2.GetScheduleRequest, queue=queue, schedule_id=id)
        response = await self._connection.call(self._connection.stubs.schedule.GetSchedule, request)
        return convert.schedule_info(response.schedule)

    async def list(self, queue: str | None = None) -> AsyncIterator[ScheduleInfo]:
        """Iterate over the schedules of a queue, or of all queues, by queue and id."""
        request = made(schedule_pb2.ListSchedulesRequest, queue=queue or "", page_size=PAGE_SIZE)
        while True:
            page = await self._connection.call(self._connection.stubs.schedule.ListSchedules, request)
            for schedule in page.schedules:
                yield convert.schedule_info(schedule)
            request.page_token = page.next_page_token
            if not request.page_token:
                return

    async def delete(self, queue: str, id: str) -> None:  # noqa: A002 - the contract's name
        """Remove a schedule; the jobs that it added stay. Errors: ScheduleNotFound."""
        request = made(schedule_pb2.DeleteScheduleRequest, queue=queue, schedule_id=id)
        await self._connection.call(self._connection.stubs.schedule.DeleteSchedule, request)

    async def pause(self, queue: str, id: str) -> ScheduleInfo:  # noqa: A002 - the contract's name
        """Make no more runs. Errors: ScheduleNotFound."""
        request = made(schedule_pb2.PauseScheduleRequest, queue=queue, schedule_id=id)
        response = await self._connection.call(self._connection.stubs.schedule.PauseSchedule, request)
        return convert.schedule_info(response.schedule)

    async def resume(self, queue: str, id: str) -> ScheduleInfo:  # noqa: A002 - the contract's name
        """Make runs again, from the next one on; those of the pause are skipped. Errors: ScheduleNotFound."""
        request = made(schedule_pb2.ResumeScheduleRequest, queue=queue, schedule_id=id)
        response = await self._connection.call(self._connection.stubs.schedule.ResumeSchedule, request)
        return convert.schedule_info(response.schedule)

    async def trigger(self, queue: str, id: str) -> TriggeredJob:  # noqa: A002 - the contract's name
        """Add a schedule's job now, beside its timetable; also of one that is paused.

        With overlap SKIP and an unfinished job, that one is returned with `created=False`.
        Errors: ScheduleNotFound; StoreFull after retry_timeout.
        """
        request = made(schedule_pb2.TriggerScheduleRequest, queue=queue, schedule_id=id, request_id=convert.new_id())
        response = await self._connection.call(self._connection.stubs.schedule.TriggerSchedule, request)
        return convert.triggered(response)


def _template(queue: str, job: NewJob) -> job_pb2.JobSpec:
    check_is("a NewJob", NewJob, job=job)
    if job.id is not None or job.run_time is not None:
        raise ValueError("the job of a schedule has no id and no run_time: each run has its own")
    spec = convert.to_spec(queue, job)
    spec.ClearField("id")
    return spec
