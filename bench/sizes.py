"""How much is run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """Numbers of jobs and seconds: for runs of a second or two each, or, with --quick, to see that all works.

    More than 10,000 jobs a run: then both sides also remove finished jobs, as they do all day in production.
    """

    name: str
    rounds: int
    jobs: int
    unary_jobs: int
    jobs_by_batch: dict[int, int]
    store_jobs_by_batch: dict[int, int]
    memory_jobs: int
    group_jobs: int
    latency_s_by_rate: dict[int, float]
    warm_up_jobs: int


NORMAL = Sizes(
    name="normal",
    rounds=5,
    jobs=30_000,
    unary_jobs=1_500,
    jobs_by_batch={1: 800, 10: 4_000, 100: 15_000, 500: 15_000},
    store_jobs_by_batch={1: 300, 100: 10_000, 1_000: 20_000},
    memory_jobs=100_000,
    group_jobs=100_000,
    latency_s_by_rate={1_000: 4, 200: 4},
    warm_up_jobs=3_000,
)
QUICK = Sizes(
    name="quick",
    rounds=1,
    jobs=400,
    unary_jobs=100,
    jobs_by_batch={1: 50, 10: 100, 100: 400, 500: 1_000},
    store_jobs_by_batch={1: 20, 100: 200, 1_000: 1_000},
    memory_jobs=2_000,
    group_jobs=2_000,
    latency_s_by_rate={1_000: 0.2, 200: 0.5},
    warm_up_jobs=100,
)
