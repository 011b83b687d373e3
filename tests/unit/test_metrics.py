"""From counts in buckets to figures."""

import math

import pytest
from leasemq_server.jobs.metrics import Times, bucket_ms, point


def bucket_of(ms: int) -> int:
    """As lua/lib/metrics.lua has it."""
    return 0 if ms < 1 else math.floor(math.log(ms) / math.log(2) * 4) + 1


@pytest.mark.parametrize("ms", [1, 2, 3, 7, 10, 99, 1000, 12_345, 86_400_000, 10 * 366 * 86_400_000])
def test_the_middle_of_a_bucket_is_within_a_tenth_of_what_is_in_it(ms: int) -> None:
    assert abs(bucket_ms(bucket_of(ms)) - ms) <= max(0.1 * ms, 0.5)


def test_less_than_a_millisecond_is_none() -> None:
    assert bucket_ms(bucket_of(0)) == 0


def test_quantiles_are_of_all_minutes_together() -> None:
    fast, slow = bucket_of(10), bucket_of(1000)
    found = point(7, [{f"r{fast}": 90, "f": 2}, {f"r{fast}": 4, f"r{slow}": 6, "f": 1, "w0": 3}])
    assert (found.start_ms, found.completed, found.failed) == (7, 100, 3)
    assert found.run == Times(100, bucket_ms(fast), bucket_ms(slow), bucket_ms(slow))
    assert found.wait == Times(3, 0, 0, 0)
    assert point(7, []) == (7, 0, 0, Times(0, 0, 0, 0), Times(0, 0, 0, 0))
