"""What was set out to be reached, and whether it is."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bench.runner import Result
from bench.scenarios import BY_BATCHES, MANY_GROUPS, ONE_GROUP, PEER, RAW, SDK, STREAM

LIFECYCLE_RATIO = 2.0
MEMORY_RATIO = 0.75
BROKER_US = 30.0
GROUPS_RATIO = 1.3


@dataclass(frozen=True)
class Target:
    """A target beside what was measured; `met` is None when there was nothing to compare with."""

    name: str
    store: str
    goal: str
    found: str
    met: bool | None

    @property
    def verdict(self) -> str:
        return {True: "met", False: "not met", None: "not measured"}[self.met]


def ratio_to_peer(result: Result, results: Sequence[Result]) -> float | None:
    """The variant's metric divided by the peer's in the same case on the same store."""
    for other in results:
        same_case = (other.store, other.scenario.name, other.variant.case) == (
            result.store,
            result.scenario.name,
            result.variant.case,
        )
        if same_case and other.variant.contender == PEER and other is not result:
            metric = result.scenario.metric
            return result.medians[metric] / other.medians[metric]
    return None


def targets(results: Sequence[Result]) -> list[Target]:
    return [*lifecycle_targets(results), *memory_targets(results), *broker_targets(results), *group_targets(results)]


def lifecycle_targets(results: Sequence[Result]) -> Iterator[Target]:
    for result in results:
        if result.scenario.name == "lifecycle" and result.variant.contender in (SDK, RAW, STREAM):
            ratio = ratio_to_peer(result, results)
            name = f"lifecycle, {result.variant.case}, {result.variant.contender.removeprefix('LeaseMQ, ')}"
            yield against_peer(name, result, ratio, f"≥ {LIFECYCLE_RATIO:g}x BullMQ", lambda it: it >= LIFECYCLE_RATIO)


def memory_targets(results: Sequence[Result]) -> Iterator[Target]:
    for result in results:
        if result.scenario.name == "memory" and result.variant.contender == SDK:
            ratio = ratio_to_peer(result, results)
            goal = f"≤ {MEMORY_RATIO:g}x BullMQ"
            yield against_peer("memory of a waiting job", result, ratio, goal, lambda it: it <= MEMORY_RATIO)


def broker_targets(results: Sequence[Result]) -> Iterator[Target]:
    for result in results:
        if (result.scenario.name, result.variant.case) == ("lifecycle", BY_BATCHES) and result.variant.contender != PEER:
            used = result.medians["broker_us"]
            name = f"broker CPU over the lifecycle, {BY_BATCHES}, {result.variant.contender.removeprefix('LeaseMQ, ')}"
            yield Target(name, result.store.name, f"≤ {BROKER_US:g} µs a job", f"{used:.1f} µs", used <= BROKER_US)


def group_targets(results: Sequence[Result]) -> Iterator[Target]:
    """What a job of many groups costs, to one of a single group: in time over all, and of the store alone."""
    by_case = {result.variant.case.partition(", ")[2]: result for result in results if result.scenario.name == "groups"}
    if ONE_GROUP not in by_case or MANY_GROUPS not in by_case:
        return
    one, many = by_case[ONE_GROUP], by_case[MANY_GROUPS]
    for name, ratio in (
        ("time a job", one.medians["jobs_per_s"] / many.medians["jobs_per_s"]),
        ("store CPU a job", many.medians["store_us"] / one.medians["store_us"]),
    ):
        yield Target(
            f"a group a job to one group, {name}", many.store.name, f"≤ {GROUPS_RATIO:g}x", f"{ratio:.2f}x", ratio <= GROUPS_RATIO
        )


def against_peer(name: str, result: Result, ratio: float | None, goal: str, reached: Callable[[float], bool]) -> Target:
    found = "no peer" if ratio is None else f"{ratio:.2f}x"
    return Target(name, result.store.name, goal, found, None if ratio is None else reached(ratio))
