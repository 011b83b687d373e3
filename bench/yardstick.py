"""How fast the machine is just now."""

import time


def yardstick_ns() -> float:
    """How long a step of a plain loop takes on this machine just now: to compare machines by."""
    steps = 2_000_000
    start = time.perf_counter()
    for _ in range(steps):
        pass
    return (time.perf_counter() - start) / steps * 1e9
