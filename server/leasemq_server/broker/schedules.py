"""Schedules: changes them, and makes the runs that are due.

What to do is decided here, by pure rules, and applied by one script each that finds out whether somebody was faster: so
any number of brokers may do this side by side, and one that dies in between leaves a run that is still due.
"""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import structlog
import uuid_utils
from leasemq.v1 import schedule_pb2

from leasemq_server.broker.queues import Queues
from leasemq_server.errors import QueueNotEmptyError, ScheduleNotFoundError
from leasemq_server.jobs.schedules import Past, Rules, Step, firing_id, first_run, plan, rules_of, trigger_id
from leasemq_server.store.schedules import Due, DueSchedule, FireStep, NewSchedule, StoredSchedule, Triggered
from leasemq_server.store.store import Store

MAX_STEPS = 100  # of one script call: some 4 ms of the store's time
MAX_DUE = 50
MAX_ROUNDS = 20  # then other queues have their turn
BROKEN_MS = 5_000
IDS_A_CALL = 1000

log = structlog.get_logger("leasemq")


class Place(NamedTuple):
    """A place in the listing of schedules: after this one."""

    queue: str
    schedule_id: str


class Schedules:
    """All schedules; `listeners` hear when a queue's next run is, in so many ms, and None when any queue's may be another."""

    def __init__(self, store: Store, queues: Queues) -> None:
        self._store = store
        self._queues = queues
        self.listeners: list[Callable[[str | None, int], None]] = []
        self._broken: deque[tuple[str, str, str]] = deque(maxlen=1000)  # told of

    # -- hearing -------------------------------------------------------------------------------------------------

    def message(self, text: str) -> None:
        """A message of a script."""
        queue, _, in_ms = text.rpartition(" ")
        self._tell(queue, int(in_ms))

    def look_all(self) -> None:
        """Messages may have been missed."""
        self._tell(None, 0)

    def _tell(self, queue: str | None, in_ms: int) -> None:
        for listener in self.listeners:
            listener(queue, in_ms)

    # -- firing --------------------------------------------------------------------------------------------------

    async def fire_due(self, queue: str) -> int:
        """Makes the queue's runs that are due; returns in how many ms to look again, -1 when none is to come."""
        broken = 0
        for _ in range(MAX_ROUNDS):
            due = await self._store.due_schedules(queue, MAX_DUE, broken)
            if not due.schedules:
                return due.next_in_ms if not broken or 0 <= due.next_in_ms < BROKEN_MS else BROKEN_MS
            steps = self._steps(queue, due)
            if not steps:
                broken += len(due.schedules)
                continue
            await self._queues.register(queue)
            await self._store.fire(queue, steps)
        return 0

    def _steps(self, queue: str, due: Due) -> list[FireStep]:
        most = max(1, MAX_STEPS // len(due.schedules))
        steps: list[FireStep] = []
        for schedule in due.schedules:
            try:
                planned = plan(_rules(schedule.rules), schedule.next_ms, due.now_ms, most)
            except Exception as error:  # noqa: BLE001 - a time zone that this machine does not know, for one: it must not stop the other schedules
                self._tell_broken(queue, schedule, error)
                continue
            steps += [_fire_step(schedule.id, schedule.revision, step) for step in planned]
        return steps

    def _tell_broken(self, queue: str, schedule: DueSchedule, error: Exception) -> None:
        """Logs it once: it is met again at each look."""
        which = (queue, schedule.id, schedule.revision)
        if which not in self._broken:
            log.error("schedule can't be fired here", queue=queue, schedule=schedule.id, exc_info=error)
            self._broken.append(which)

    # -- changing ------------------------------------------------------------------------------------------------

    async def upsert(self, queue: str, new: NewSchedule) -> tuple[StoredSchedule, bool]:
        """Makes or changes a schedule; says whether it was made."""
        await self._queues.register(queue)
        await self._store.register_schedule_queue(queue)
        rules = _rules(new.rules)
        while True:
            old, now_ms = await self._settled(queue, new.id)
            if await self._store.put_schedule(queue, new, old, first_run(rules, _past(old), now_ms)):
                return await self.get(queue, new.id), old is None

    async def _settled(self, queue: str, schedule_id: str) -> tuple[StoredSchedule | None, int]:
        """The schedule, after a run of it that was due by the old rules, and the store's time."""
        old = await self._find(queue, schedule_id)
        now_ms = await self._store.time_ms()
        if old is not None and 0 < old.next_ms <= now_ms:
            await self.fire_due(queue)
            old = await self._find(queue, schedule_id)
        return old, now_ms

    async def resume(self, queue: str, schedule_id: str) -> StoredSchedule:
        """Fires again, from the next time on."""
        word = "CONFLICT"
        while word == "CONFLICT":
            paused = await self.get(queue, schedule_id)
            next_ms = first_run(_rules(paused.rules), _past(paused), await self._store.time_ms())
            word = await self._store.resume_schedule(queue, paused, next_ms)
        return await self.get(queue, schedule_id)

    async def pause(self, queue: str, schedule_id: str) -> StoredSchedule:
        """Stops firing."""
        if not await self._store.pause_schedule(queue, schedule_id):
            raise ScheduleNotFoundError(queue, schedule_id)
        return await self.get(queue, schedule_id)

    async def trigger(self, queue: str, schedule_id: str, request_id: str) -> Triggered:
        """Adds a schedule's job now; the same request adds it once."""
        job_id = trigger_id(schedule_id, request_id or str(uuid_utils.uuid7()))
        triggered = await self._store.trigger_schedule(queue, schedule_id, job_id)
        if triggered is None:
            raise ScheduleNotFoundError(queue, schedule_id)
        await self._queues.register(queue)
        return triggered

    async def delete(self, queue: str, schedule_id: str) -> None:
        """Removes a schedule."""
        if not (await self._store.delete_schedules(queue, [schedule_id]))[0]:
            raise ScheduleNotFoundError(queue, schedule_id)

    async def delete_all(self, queue: str, *, force: bool) -> None:
        """Removes all schedules of a queue that is to be deleted, or else they would bring it back.

        Raises:
            QueueNotEmptyError: there are some, and no force.
        """
        while ids := await self._store.schedule_ids(queue, "", IDS_A_CALL):
            if not force:
                raise QueueNotEmptyError(queue)
            await self._store.delete_schedules(queue, ids)

    # -- reading -------------------------------------------------------------------------------------------------

    async def get(self, queue: str, schedule_id: str) -> StoredSchedule:
        """A schedule.

        Raises:
            ScheduleNotFoundError: there is none.
        """
        found = await self._find(queue, schedule_id)
        if found is None:
            raise ScheduleNotFoundError(queue, schedule_id)
        return found

    async def page(self, only: str, after: Place | None, count: int) -> tuple[list[tuple[str, StoredSchedule]], Place | None]:
        """Up to so many (queue, schedule) by queue and id, of one queue if `only` names it; and where to go on, if anywhere."""
        queue, schedule_id = after or Place(only or await self._queue_after(""), "")
        page: list[tuple[str, StoredSchedule]] = []
        looked = 0
        while queue:
            ids = await self._store.schedule_ids(queue, schedule_id, count - looked)
            found = await self._store.read_schedules(queue, ids) if ids else []
            page += [(queue, schedule) for schedule in found if schedule is not None]
            looked += len(found)
            if len(found) < len(ids) or looked == count:  # the reply, or the page, is full
                return page, Place(queue, ids[len(found) - 1])
            queue, schedule_id = "" if only else await self._queue_after(queue), ""
        return page, None

    async def _queue_after(self, queue: str) -> str:
        return next(iter(await self._store.schedule_queue_names(queue, 1)), "")

    async def _find(self, queue: str, schedule_id: str) -> StoredSchedule | None:
        return (await self._store.read_schedules(queue, [schedule_id]))[0]


def _fire_step(schedule_id: str, revision: str, step: Step) -> FireStep:
    job_id = "" if step.run_ms is None else firing_id(schedule_id, step.run_ms)
    run_ms: int | str = "" if step.run_ms is None else step.run_ms
    next_ms: int | str = "" if step.next_ms is None else step.next_ms
    return FireStep(schedule_id, revision, step.expected_ms, run_ms, job_id, next_ms)


def _rules(stored: bytes) -> Rules:
    return rules_of(schedule_pb2.Schedule.FromString(stored))


def _past(old: StoredSchedule | None) -> Past | None:
    if old is None:
        return None
    return Past(_rules(old.rules), old.next_ms or None, old.last_ms or None, old.run_count)
