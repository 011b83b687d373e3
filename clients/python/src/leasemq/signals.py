"""SIGTERM and SIGINT stop every worker that runs in this process, however many there are."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)

_listeners: list[Callable[[], None]] = []
_previous: dict[signal.Signals, Any] = {}


def listen(listener: Callable[[], None]) -> None:
    """Call `listener` in the running loop at each signal. Off the main thread, where Python delivers none, it does nothing."""
    if threading.current_thread() is not threading.main_thread():
        return
    if not _listeners:
        loop = asyncio.get_running_loop()
        for each in SIGNALS:
            _previous[each] = signal.signal(each, lambda *_: loop.call_soon_threadsafe(_notify))
    _listeners.append(listener)


def unlisten(listener: Callable[[], None]) -> None:
    """Stop calling it; when it was the last one, signals do again what they did before."""
    with suppress(ValueError):
        _listeners.remove(listener)
        if not _listeners:
            while _previous:
                signal.signal(*_previous.popitem())


def _notify() -> None:
    for listener in tuple(_listeners):
        listener()
