"""Runs the scenarios: for each store one start of both sides, then round by round the sides in turn."""

import contextlib
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.peers import STARTERS, Peer
from bench.scenarios import (
    Sample,
    Scenario,
    Variant,
    add_by_batches,
    add_singly,
    new_queue,
    work,
)
from bench.sizes import Sizes
from bench.store import Store, StoreKind

OnRun = Callable[[str], None]


@dataclass
class Result:
    """All samples of one variant on one store."""

    store: StoreKind
    scenario: Scenario
    variant: Variant
    samples: list[Sample] = field(default_factory=list)

    @property
    def medians(self) -> Sample:
        return {name: statistics.median(sample[name] for sample in self.samples) for name in self.samples[0]}


@dataclass(frozen=True)
class Plan:
    """What to run."""

    scenarios: Sequence[Scenario]
    stores: Sequence[StoreKind]
    peers: Sequence[str]
    sizes: Sizes

    def on(self, store: StoreKind) -> list[Scenario]:
        return [scenario for scenario in self.scenarios if store in scenario.stores]

    def variants(self, scenario: Scenario) -> list[Variant]:
        return [variant for variant in scenario.variants(self.sizes) if variant.peer in self.peers]

    def rounds(self, scenario: Scenario) -> int:
        return scenario.rounds or self.sizes.rounds

    def run_count(self) -> int:
        return sum(self.rounds(scenario) * len(self.variants(scenario)) for store in self.stores for scenario in self.on(store))


@dataclass(frozen=True)
class Report:
    """What came of it."""

    results: list[Result]
    store_version: str


def run(plan: Plan, on_run: OnRun) -> Report:
    results: list[Result] = []
    version = ""
    for kind in plan.stores:
        if not plan.on(kind):
            continue
        with tempfile.TemporaryDirectory(prefix="leasemq-bench-") as folder, Store(kind, Path(folder)) as store:
            version = store.version
            results += run_on(store, plan, on_run)
    return Report(results, version)


def run_on(store: Store, plan: Plan, on_run: OnRun) -> list[Result]:
    results: list[Result] = []
    with contextlib.ExitStack() as stack:
        peers = {name: stack.enter_context(STARTERS[name](store)) for name in plan.peers}
        for peer in peers.values():
            warm_up(peer, plan.sizes)
        for scenario in plan.on(store.kind):
            results += run_scenario(scenario, store, peers, plan, on_run)
    return results


def run_scenario(scenario: Scenario, store: Store, peers: dict[str, Peer], plan: Plan, on_run: OnRun) -> list[Result]:
    results = [Result(store.kind, scenario, variant) for variant in plan.variants(scenario)]
    for _ in range(plan.rounds(scenario)):
        for result in results:
            store.flush()
            on_run(f"{store.kind.name} · {scenario.name} · {result.variant.contender} · {result.variant.case}")
            result.samples.append(result.variant.run(peers[result.variant.peer], plan.sizes))
    return results


def warm_up(peer: Peer, sizes: Sizes) -> None:
    """Connections are made, scripts loaded and code compiled before anything is measured."""
    queue = new_queue()
    add_singly(peer, queue, sizes.warm_up_jobs)
    add_by_batches(peer, queue, sizes.warm_up_jobs)
    work(peer, queue, 2 * sizes.warm_up_jobs)
