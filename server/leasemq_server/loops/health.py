"""Says whether the store answers: to gRPC health checks, and with one log line when it goes and one when it comes back.

And looks at its settings as at the start, since they may change meanwhile: now and then, and when it comes back.
"""

import asyncio
from typing import Any

import structlog
from grpc_health.v1 import health_pb2

from leasemq_server.broker.broker import Broker
from leasemq_server.errors import DomainError
from leasemq_server.loops.loop import Loop

STEP_S = 0.5
LOOK_S = 30.0

log = structlog.get_logger("leasemq")


class HealthLoop(Loop):
    """The health of the broker is that of its store."""

    def __init__(self, broker: Broker, servicer: Any, services: list[str]) -> None:
        super().__init__()
        self._broker = broker
        self._servicer = servicer
        self._services = ["", *services]
        self._serving: bool | None = None

    async def start(self) -> None:
        """Starts."""
        await self.step()
        await super().start()

    async def lost(self, detail: str) -> None:
        """Takes note that the store is gone: whoever has seen it go need not wait until it is asked."""
        await self._say(serving=False, detail=detail)

    async def step(self) -> None:
        """Asks the store once."""
        try:
            await self._broker.store.ping()
            await self._broker.look(LOOK_S if self._serving is not False else 0.0)
        except DomainError as error:
            await self._say(serving=False, detail=error.message)
        else:
            await self._say(serving=True, detail="")

    async def _say(self, *, serving: bool, detail: str) -> None:
        if serving == self._serving:
            return
        if not serving:
            log.error("store lost", detail=detail)
        elif self._serving is not None:
            log.info("store back")
        self._serving = serving
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        for service in self._services:
            await self._servicer.set(service, status)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(STEP_S)
            await self.step()
