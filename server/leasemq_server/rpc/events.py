"""WatchEvents: a part of AdminService."""

from contextlib import aclosing
from typing import Any

from leasemq.v1 import admin_pb2

from leasemq_server.broker.broker import Broker
from leasemq_server.jobs.check import Check
from leasemq_server.jobs.events import LOST, Event, resume_number, resume_token
from leasemq_server.rpc.encode import STATES
from leasemq_server.rpc.wire import set_time

EVENTS_A_MESSAGE = 1_000
KINDS = {value.name.removeprefix("EVENT_KIND_").lower(): value.number for value in admin_pb2.EventKind.DESCRIPTOR.values}


class EventHandlers:
    """Streams what happens."""

    _broker: Broker

    async def WatchEvents(self, request: admin_pb2.WatchEventsRequest, context: Any) -> None:
        check = Check()
        queue = check.queue(request.queue)
        after = resume_number(request.resume_token, queue, check)
        if request.resume_token and request.from_oldest:
            check.wrong("from_oldest", "must not be set together with resume_token")
        kinds = _kinds(request, check)
        check.done()
        watch = self._broker.events.watch(queue, after, from_oldest=request.from_oldest, until_now=request.until_now)
        async with aclosing(watch):
            async for seen in watch:
                events = [_message(queue, event) for event in seen.events if not kinds or KINDS[event.kind] in kinds]
                parts = [events[at : at + EVENTS_A_MESSAGE] for at in range(0, len(events), EVENTS_A_MESSAGE)] or [[]]
                for part in parts[:-1]:
                    await context.write(admin_pb2.WatchEventsResponse(events=part, resume_token=part[-1].resume_token))
                token = resume_token(queue, seen.number)
                await context.write(admin_pb2.WatchEventsResponse(events=parts[-1], resume_token=token))


def _kinds(request: admin_pb2.WatchEventsRequest, check: Check) -> set[int]:
    known = set(KINDS.values()) - {0}
    for index, kind in enumerate(request.kinds):
        if kind not in known:
            check.wrong(f"kinds[{index}]", f"must be a kind of event; got {kind}")
    return {*request.kinds, KINDS[LOST]} if request.kinds else set()


def _message(queue: str, event: Event) -> admin_pb2.Event:
    message = admin_pb2.Event(
        kind=admin_pb2.EventKind.Name(KINDS[event.kind]),
        job_id=event.job_id,
        resume_token=resume_token(queue, event.number),
        worker_id=event.worker,
        reason=event.reason,
    )
    if event.state:
        message.state = STATES[event.state]
    set_time(message.time, event.ms)
    return message
