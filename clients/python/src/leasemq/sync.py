"""The client for programs without asyncio: the same methods, blocking, safe in any number of threads.

    from leasemq.sync import Client

    with Client() as client:
        client.add("email", {"to": "a@example.com"})

An async client runs behind it in one thread of its own, so adds of many threads travel together. After a fork that thread is
gone: make the client in each child (gunicorn: in `post_fork`, or without `preload_app`). Workers are async:
`asyncio.run(worker.run())` is all they need.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from typing import Any, Concatenate, ParamSpec, Protocol, Self, TypeVar

import grpc

from leasemq.admin import Admin as AsyncAdmin
from leasemq.client import Client as AsyncClient
from leasemq.errors import Unavailable
from leasemq.events import EventStream as AsyncEventStream
from leasemq.model import Event, EventKind
from leasemq.schedules import Schedules as AsyncSchedules

__all__ = ["Admin", "Client", "EventStream", "Schedules"]

P = ParamSpec("P")
T = TypeVar("T")
Inner_co = TypeVar("Inner_co", covariant=True)

CHUNK = 100
"""Items that a listing takes over from the event loop at a time."""
CANCEL_AGAIN = 1.0
"""Seconds after which a task that swallowed its cancellation is cancelled again."""


class _Facade(Protocol[Inner_co]):
    """What blocks on an async object: its loop runs in another thread."""

    @property
    def inner(self) -> Inner_co:
        """The async object."""

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run it in the other thread and wait for it."""


def _blocking(method: Callable[Concatenate[Inner_co, P], Coroutine[Any, Any, T]]) -> Callable[Concatenate[Any, P], T]:
    """Make the blocking twin of an async method, with its signature and docstring."""

    @functools.wraps(method)
    def call(self: _Facade[Inner_co], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.run(method(self.inner, *args, **kwargs))

    return call


def _listing(method: Callable[Concatenate[Inner_co, P], AsyncIterator[T]]) -> Callable[Concatenate[Any, P], Iterator[T]]:
    """Make the plain twin of a method that iterates asynchronously; it reads on as it is iterated over."""

    @functools.wraps(method)
    def items(self: _Facade[Inner_co], /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        source = method(self.inner, *args, **kwargs)
        while chunk := self.run(_take(source)):
            yield from chunk

    return items


async def _take(source: AsyncIterator[T]) -> list[T]:
    chunk: list[T] = []
    async for item in source:
        chunk.append(item)
        if len(chunk) == CHUNK:
            break
    return chunk


class Admin:
    """What operators call, blocking; reached as `client.admin`. Listings are iterators."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def inner(self) -> AsyncAdmin:
        """The async twin."""
        return self._client.inner.admin

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the client's thread and wait for it."""
        return self._client.run(coroutine)

    stats = _blocking(AsyncAdmin.stats)
    queue = _blocking(AsyncAdmin.queue)
    update_queue = _blocking(AsyncAdmin.update_queue)
    pause = _blocking(AsyncAdmin.pause)
    resume = _blocking(AsyncAdmin.resume)
    drain = _blocking(AsyncAdmin.drain)
    delete_queue = _blocking(AsyncAdmin.delete_queue)
    retry = _blocking(AsyncAdmin.retry)
    promote = _blocking(AsyncAdmin.promote)
    delete = _blocking(AsyncAdmin.delete)
    cancel = _blocking(AsyncAdmin.cancel)
    update_job = _blocking(AsyncAdmin.update_job)
    update_group = _blocking(AsyncAdmin.update_group)
    metrics = _blocking(AsyncAdmin.metrics)
    server_info = _blocking(AsyncAdmin.server_info)
    queues = _listing(AsyncAdmin.queues)
    jobs = _listing(AsyncAdmin.jobs)
    logs = _listing(AsyncAdmin.logs)
    search = _listing(AsyncAdmin.search)
    groups = _listing(AsyncAdmin.groups)
    workers = _listing(AsyncAdmin.workers)


class Schedules:
    """Jobs that the clock adds, blocking; reached as `client.schedules`. The listing is an iterator."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def inner(self) -> AsyncSchedules:
        """The async twin."""
        return self._client.inner.schedules

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the client's thread and wait for it."""
        return self._client.run(coroutine)

    upsert = _blocking(AsyncSchedules.upsert)
    get = _blocking(AsyncSchedules.get)
    delete = _blocking(AsyncSchedules.delete)
    pause = _blocking(AsyncSchedules.pause)
    resume = _blocking(AsyncSchedules.resume)
    trigger = _blocking(AsyncSchedules.trigger)
    list = _listing(AsyncSchedules.list)


class EventStream:
    """An iterator over events, blocking, that goes on by itself after an outage; leave it by `with` or `close`."""

    def __init__(self, client: Client, inner: AsyncEventStream) -> None:
        self._client = client
        self._inner = inner

    @property
    def resume_token(self) -> str:
        """A position after all that was handed out so far."""
        return self._inner.resume_token

    def __enter__(self) -> Self:
        self._client.run(self._inner.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        event = self._client.run(self._next())
        if event is None:
            raise StopIteration
        return event

    async def _next(self) -> Event | None:
        return await anext(self._inner, None)

    def close(self) -> None:
        """Close the stream."""
        self._client.run(self._inner.aclose())


class Client:
    """Talks to a broker, blocking. Cheap to make: its thread starts and it connects with the first call."""

    def __init__(self, address: str | None = None, *, retry_timeout: float = 30.0) -> None:
        """Set up, as `leasemq.Client` does; nothing is sent yet."""
        self._inner = AsyncClient(address, retry_timeout=retry_timeout)
        self._admin = Admin(self)
        self._schedules = Schedules(self)
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()
        self._closed = False

    @property
    def inner(self) -> AsyncClient:
        """The async twin; only the client's own thread may call it."""
        return self._inner

    @property
    def address(self) -> str:
        """Where the broker is."""
        return self._inner.address

    @property
    def admin(self) -> Admin:
        """What operators call: counts, queues, jobs, workers."""
        return self._admin

    @property
    def schedules(self) -> Schedules:
        """Jobs that the clock adds."""
        return self._schedules

    add = _blocking(AsyncClient.add)
    add_many = _blocking(AsyncClient.add_many)
    add_flow = _blocking(AsyncClient.add_flow)
    dependencies = _listing(AsyncClient.dependencies)
    get = _blocking(AsyncClient.get)
    wait = _blocking(AsyncClient.wait)
    cancel = _blocking(AsyncClient.cancel)
    remove_deduplication_key = _blocking(AsyncClient.remove_deduplication_key)

    def events(
        self,
        queue: str,
        *,
        kinds: Iterable[EventKind] = (),
        resume_token: str | None = None,
        from_oldest: bool = False,
        until_now: bool = False,
    ) -> EventStream:
        """Watch what happens in a queue, as `leasemq.Client.events` does: `with client.events("email") as events: ...`."""
        inner = self._inner.events(queue, kinds=kinds, resume_token=resume_token, from_oldest=from_oldest, until_now=until_now)
        return EventStream(self, inner)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the client's thread and wait for it.

        RuntimeError: the client is closed, or was made before a fork. Unavailable: it was closed during the call.
        """
        try:
            with self._lock:  # so that a close comes before it or sees it
                future = asyncio.run_coroutine_threadsafe(coroutine, self._running_loop())
        except RuntimeError:
            coroutine.close()
            raise
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise Unavailable("the client was closed during the call", code=grpc.StatusCode.CANCELLED) from None
        except BaseException:
            future.cancel()  # Ctrl-C while waiting: the call ends too
            raise

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._pid != os.getpid():
            raise RuntimeError("this client was made before a fork, which gRPC does not survive: make one in each process")
        if self._closed:
            raise RuntimeError("the client is closed")
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, name="leasemq-client", daemon=True)
            self._thread.start()
        return self._loop

    def close(self) -> None:
        """Wait for the adds that are under way, then close the connection and end the thread.

        Calls of other threads that are in flight, or wait for their next attempt, fail with Unavailable.
        """
        with self._lock:
            self._closed = True
            loop, self._loop = self._loop, None
        if loop is None or self._thread is None or self._pid != os.getpid():
            return
        asyncio.run_coroutine_threadsafe(self._end(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join()
        loop.close()

    async def _end(self) -> None:
        """Leave no task behind: whoever waits for one would wait for ever."""
        try:
            await self._inner.close()
        finally:
            while others := asyncio.all_tasks() - {asyncio.current_task()}:
                for task in others:
                    task.cancel()
                await asyncio.wait(others, timeout=CANCEL_AGAIN)
            await self._inner.connection.close()  # an attempt may have opened it anew
            await asyncio.get_running_loop().shutdown_asyncgens()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
