"""Calls what the user hooked into a worker; whatever a hook does, the worker goes on."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from typing import Any

from leasemq.errors import LeaseMQError
from leasemq.job import Job

log = logging.getLogger("leasemq")


class Hooks:
    """The four hooks of a worker, plain or async, each of them optional."""

    def __init__(
        self,
        on_completed: Callable[[Job, Any], Any] | None,
        on_failed: Callable[[Job, BaseException], Any] | None,
        on_lost: Callable[[Job, str], Any] | None,
        on_error: Callable[[Exception], Any] | None,
    ) -> None:
        self._on_completed, self._on_failed, self._on_lost, self._on_error = on_completed, on_failed, on_lost, on_error
        self._running: set[asyncio.Task[None]] = set()

    def completed(self, job: Job, result: Any) -> None:
        """Tell that the broker has the job as completed."""
        if self._on_completed is not None:
            self._call(self._on_completed, job, result)

    def failed(self, job: Job, error: BaseException) -> None:
        """Tell, or log, that the broker has the attempt as failed."""
        if self._on_failed is not None:
            self._call(self._on_failed, job, error)
        else:
            log.warning("%r failed and is %s now", job, job.state.name, exc_info=error)

    def lost(self, job: Job, reason: str) -> None:
        """Tell that the lease was lost and the handler has ended."""
        if self._on_lost is not None:
            self._call(self._on_lost, job, reason)

    def error(self, error: Exception) -> None:
        """Tell, or log, that something else went wrong."""
        if self._on_error is not None:
            self._call(self._on_error, error)
        else:
            log.error("%s", error, exc_info=None if isinstance(error, LeaseMQError) else error)

    async def finish(self, seconds: float) -> None:
        """Wait for hooks that still run, but no longer than this."""
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)

    def _call(self, hook: Callable[..., Any], *args: Any) -> None:
        try:
            result = hook(*args)
        except Exception as error:  # noqa: BLE001 - see the top of the file
            self._broken(hook, error)
            return
        if result is not None and inspect.isawaitable(result):
            task = asyncio.ensure_future(self._await(hook, result))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _await(self, hook: Callable[..., Any], result: Any) -> None:
        try:
            await result
        except Exception as error:  # noqa: BLE001 - see the top of the file
            self._broken(hook, error)

    def _broken(self, hook: Callable[..., Any], error: Exception) -> None:
        if hook == self._on_error:
            log.error("on_error failed", exc_info=error)
        else:
            self.error(error)
