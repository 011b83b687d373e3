"""GetMetrics: a part of AdminService."""

from typing import Any

from leasemq.v1 import admin_pb2

from leasemq_server.broker.broker import Broker
from leasemq_server.broker.metrics import read_points
from leasemq_server.jobs.check import Check, time_ms
from leasemq_server.jobs.metrics import HOUR_MS, KEPT_MS, MAX_POINTS, MINUTE_MS, Point, Times
from leasemq_server.rpc.wire import set_span, set_time

_YEAR_2200_MS = 7_258_118_400_000


class MetricHandlers:
    """Says what was counted."""

    _broker: Broker

    async def GetMetrics(self, request: admin_pb2.GetMetricsRequest, _: Any) -> admin_pb2.GetMetricsResponse:
        check = Check()
        queue = check.queue(request.queue)
        start_ms, end_ms, step_ms = _stretch(request, await self._broker.store.time_ms(), check)
        check.done()
        points = await read_points(self._broker.store, queue, start_ms, end_ms, step_ms)
        return admin_pb2.GetMetricsResponse(points=[_message(it) for it in points])


def _stretch(request: admin_pb2.GetMetricsRequest, now_ms: int, check: Check) -> tuple[int, int, int]:
    """From when to when, and how long a point is, in ms."""
    step_ms = MINUTE_MS
    if request.HasField("resolution"):
        step_ms = check.span(request.resolution, "resolution", MINUTE_MS, KEPT_MS)
        if not check.violations and step_ms % MINUTE_MS:
            check.wrong("resolution", f"must be whole minutes; got {step_ms / 1000:g} s")
    end_ms = time_ms(request.end) if request.HasField("end") else now_ms
    start_ms = time_ms(request.start) if request.HasField("start") else end_ms - HOUR_MS
    for field, ms in (("end", end_ms), ("start", start_ms)):
        if request.HasField(field) and not 0 <= ms <= _YEAR_2200_MS:
            check.wrong(field, "must be a time between the years 1970 and 2200")
    if not check.violations and start_ms >= end_ms:
        check.wrong("start", "must be before end")
    if check.violations:
        return 0, 0, MINUTE_MS
    if (end_ms - start_ms) // step_ms > MAX_POINTS:  # "the last 24 h" are some more when the call is here
        check.wrong("resolution", f"must leave at most {MAX_POINTS} points from start to end; make it longer, or ask for less")
    return start_ms - start_ms % step_ms, end_ms, step_ms


def _message(said: Point) -> admin_pb2.MetricsPoint:
    message = admin_pb2.MetricsPoint(completed=said.completed, failed=said.failed)
    set_time(message.time, said.start_ms)
    for field, times in ((message.wait_time, said.wait), (message.run_time, said.run)):
        if times.jobs:
            _fill(field, times)
    return message


def _fill(field: admin_pb2.TimeQuantiles, times: Times) -> None:
    field.count = times.jobs
    set_span(field.p50, times.p50)
    set_span(field.p95, times.p95)
    set_span(field.p99, times.p99)
