"""Runs handlers, and turns how they end into a decision about the job. Applies none of them: see settling.py."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

from leasemq.attempt import Attempt, Outcome, Stop, block_on, complete, fail, release
from leasemq.job import BlockOn, Cancelled, Fatal, Job, RateLimited, Release, Snooze

Handler = Callable[[Job], Any] | Callable[[list[Job]], Any]


class NoHandler(Exception):  # noqa: N818 - told to the broker as the failure's type
    """The worker has no handler for jobs of this name."""


class Handlers:
    """The handlers of a worker: one for all jobs, or one for each job name."""

    def __init__(self, handler: Handler | Mapping[str, Handler], threads: int) -> None:
        self._any: Handler | None = None if isinstance(handler, Mapping) else handler
        self._by_name: dict[str, Handler] = dict(handler) if isinstance(handler, Mapping) else {}
        everyone = list(self._by_name.values()) if self._any is None else [self._any]
        for each in everyone:
            if not callable(each):
                raise TypeError(f"a handler must be callable, not {type(each).__name__}")
        if not everyone:
            raise ValueError("a worker needs at least one handler")
        self._async = {id(each) for each in everyone if is_async(each)}
        self._threads: ThreadPoolExecutor | None = None
        if len(self._async) < len({id(each) for each in everyone}):
            self._threads = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="leasemq-handler")

    def close(self) -> None:
        """Let the threads end as soon as their handlers do."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def execute(self, attempt: Attempt) -> Outcome | None:
        """Run the handler and decide what becomes of the job; None: nothing, the lease is not ours any more."""
        if attempt.stop is not None:
            return _stopped(attempt, Cancelled(attempt.job.cancelled.reason))
        try:
            handler = self._handler_of(attempt)
            if id(handler) in self._async:
                attempt.is_async = True
                result = await handler(attempt.job)
            else:
                result = await self._call_in_thread(handler, [attempt], attempt.job)
            return None if attempt.stop is Stop.LOST else complete(attempt, result)
        except (asyncio.CancelledError, Exception, SystemExit) as error:  # noqa: BLE001 - whatever a handler raises is an outcome
            return _decide(attempt, error)

    async def execute_batch(self, attempts: list[Attempt]) -> list[Outcome | None]:
        """Run the handler once for jobs of one name, and decide what becomes of each, in order."""
        outcomes = {it.token: _stopped(it, Cancelled(it.job.cancelled.reason)) for it in attempts if it.stop is not None}
        live = [attempt for attempt in attempts if attempt.token not in outcomes]
        try:
            results: list[Any] = _one_each(await self._call(live), len(live)) if live else []
        except (asyncio.CancelledError, Exception, SystemExit) as error:  # noqa: BLE001 - whatever a handler raises is an outcome
            results = [error] * len(live)
        for attempt, result in zip(live, results, strict=True):
            outcomes[attempt.token] = _ruled(attempt, result)
        return [outcomes[attempt.token] for attempt in attempts]

    def _handler_of(self, attempt: Attempt) -> Callable[[Any], Any]:
        handler = self._by_name.get(attempt.job.name) if self._any is None else self._any
        if handler is None:
            raise NoHandler(f"this worker has no handler for jobs named {attempt.job.name!r}")
        return handler

    async def _call(self, attempts: list[Attempt]) -> Any:
        """Call the handler with a list of jobs of one name."""
        handler, jobs = self._handler_of(attempts[0]), [attempt.job for attempt in attempts]
        if id(handler) in self._async:
            _can_be_cancelled(attempts)
            return await handler(jobs)
        return await self._call_in_thread(handler, attempts, jobs)

    async def _call_in_thread(self, handler: Callable[[Any], Any], attempts: list[Attempt], argument: Job | list[Job]) -> Any:
        loop = asyncio.get_running_loop()
        result = await loop.run_in_executor(self._threads, copy_context().run, _call_in_thread, handler, argument)
        if inspect.isawaitable(result):
            _can_be_cancelled(attempts)
            return await result
        return result


def _can_be_cancelled(attempts: list[Attempt]) -> None:
    for attempt in attempts:
        attempt.is_async = True


def _one_each(results: Any, count: int) -> list[Any]:
    if results is None:
        return [None] * count
    if not isinstance(results, list | tuple) or len(results) != count:
        raise TypeError(
            f"a handler of batches returns None, or a list with a result or an exception for each of its {count} jobs"
        )
    return list(results)


def _ruled(attempt: Attempt, result: Any) -> Outcome | None:
    """Rule on one job of a batch."""
    if isinstance(result, BaseException):
        return _decide(attempt, result)
    try:
        return None if attempt.stop is Stop.LOST else complete(attempt, result)
    except (TypeError, ValueError) as error:  # it can't be encoded
        return _decide(attempt, error)


def is_async(handler: Handler) -> bool:
    """Say whether a handler is a coroutine function, or an object whose __call__ is one."""
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(type(handler).__call__)


def _call_in_thread(handler: Callable[[Any], Any], argument: Any) -> Any:
    try:
        return handler(argument)
    except StopIteration as error:
        raise RuntimeError("the handler raised StopIteration") from error  # a future can't carry it


def _decide(attempt: Attempt, error: BaseException) -> Outcome | None:
    """Rule on an attempt that did not return. What can't be ruled on fails: its slot must not stay taken."""
    try:
        return _ruling(attempt, error)
    except Exception as wrong:  # noqa: BLE001 - a handler's own subclass may lack what its base has
        return fail(attempt, wrong, for_good=True)


def _ruling(attempt: Attempt, error: BaseException) -> Outcome | None:
    if attempt.stop is Stop.LOST:
        return None
    if isinstance(error, Fatal):
        return fail(attempt, error, for_good=True)
    if isinstance(error, Snooze | Release):
        return release(attempt, error.delay if isinstance(error, Snooze) else None)
    if isinstance(error, BlockOn):
        return block_on(attempt, error.dependencies)
    if isinstance(error, RateLimited):
        return release(attempt, hold_queue=error.hold)
    return fail(attempt, error) if attempt.stop is None else _stopped(attempt, error)


def _stopped(attempt: Attempt, error: BaseException) -> Outcome | None:
    if attempt.stop is Stop.LOST:
        return None
    if attempt.stop is Stop.RELEASE:
        return release(attempt)
    if isinstance(error, asyncio.CancelledError | Cancelled):
        return fail(attempt, Cancelled(attempt.job.cancelled.reason or "cancelled"), for_good=True, kind="Cancelled")
    return fail(attempt, error, for_good=True)
