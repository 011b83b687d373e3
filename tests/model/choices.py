"""What the rules of a history choose from."""

from typing import Any

from hypothesis import strategies as st

from tests.model.keys import NewJob

KEPT_MS = 30_000  # a request with such a lease is remembered for longer than a history takes
IDS = [f"job-{letter}" for letter in "abcdefghijklmnopqrst"]

backoffs = st.sampled_from(
    [{"k": "fixed", "d": 700}, {"k": "exponential", "i": 100, "m": 2, "x": 350}, {"k": "list", "l": [0, 10, 2000]}]
)
retentions = st.sampled_from([{"c": 0}, {"a": 0}, {"a": 4000}, {"c": 2}, {"a": 90_000, "c": 1}])
options = st.fixed_dictionaries(
    {},
    optional={
        "p": st.integers(1, 3),
        "l": st.just(1),
        "ma": st.integers(1, 4),
        "bo": backoffs,
        "to": st.sampled_from([500, 5000, 60_000]),
        "tl": st.sampled_from([500, 3000, 100_000]),
        "cr": retentions,
        "fr": retentions,
        "dl": st.just("dead"),
        "me": st.integers(0, 2),
    },
).map(lambda it: {**it, "rp": 1} if "ma" in it or "bo" in it else it)
retrying = st.fixed_dictionaries({"rp": st.just(1), "ma": st.integers(2, 4), "bo": backoffs})
GROUPS = ("a", "ab", "b")  # few, so that they meet
groups = st.sampled_from(GROUPS)


def in_group(said: dict[str, Any], group: str) -> dict[str, Any]:
    return {**said, "g": group} if group else said


of_jobs = st.builds(in_group, options | retrying | st.just({}), st.just("") | groups | groups)
new_jobs = st.tuples(st.sampled_from(IDS), of_jobs, st.sampled_from([None, None, 500, 500, 3000]))
rates = st.fixed_dictionaries({"n": st.integers(1, 2), "d": st.sampled_from([500, 3000, 30_000])})
group_defaults = st.fixed_dictionaries({}, optional={"xa": st.integers(1, 2), "rl": rates, "mw": st.integers(3, 5)})
configs = st.fixed_dictionaries(
    {},
    optional={
        "ma": st.integers(1, 3),
        "bo": backoffs,
        "me": st.integers(0, 2),
        "dl": st.just("dead"),
        "cr": st.sampled_from([{"a": 0}, {"a": 4000}, {"a": 90_000, "c": 2}, {"a": 90_000, "c": 0}]),
        "fr": st.sampled_from([{"a": 4000}, {"a": 90_000, "c": 1}]),
        "gd": group_defaults,
        "ev": st.sampled_from([0, 10, 30, 100]),
    },
)
limits = st.fixed_dictionaries(
    {},
    optional={
        "xa": st.integers(1, 3),
        "rl": st.fixed_dictionaries({"n": st.integers(1, 3), "d": st.sampled_from([500, 3000])}),
        "mw": st.integers(2, 9),
    },
)
group_rules = st.fixed_dictionaries(
    {},
    optional={
        "xa": st.integers(0, 2),
        "rl": rates,
        "mw": st.integers(0, 4),
        "w": st.integers(1, 3),
        "p": st.just(1),
    },
)
limiting_settings = st.builds(lambda name, value: {name: value}, st.just("xa") | st.just("w"), st.integers(1, 3)) | st.builds(
    lambda rate: {"rl": rate}, rates
)
group_settings = limiting_settings | st.just({}) | group_rules | st.just({"p": 1})
steering = st.sampled_from(["cancel", "retry", "promote", "await"])
spans = st.sampled_from([1, 9, 100, 500, 500, 700, 1000, 3000, 6000, 30_000, 100_000])
lease_spans = st.sampled_from([1000, 6000, KEPT_MS])
delays = st.sampled_from([0, 500, 3000])
failures = st.sampled_from([{}, {"message": "broken"}, {"type": "Error"}, {"type": "Error", "message": "far " * 60}])
picks = st.lists(st.integers(0, 11), min_size=1, max_size=3)
places = st.integers(0, 19)  # of a job among those that there are
some_places = st.lists(places, min_size=1, max_size=3)
wanted = st.lists(st.tuples(places, st.sampled_from("ffri")), min_size=1, max_size=3)

keys = st.sampled_from(["key-1", "key-2"])
# the store's own clock tidies up what throttles and debounces for a time: that time is longer than a history takes
modes = st.sampled_from(
    [
        {"m": "u"},
        {"m": "u", "t": 500},
        {"m": "u", "t": 3000},
        {"m": "t", "t": KEPT_MS},
        {"m": "t", "t": 90_000},
        {"m": "d"},
        {"m": "d"},
        {"m": "d", "t": KEPT_MS},
        {"m": "l"},
        {"m": "l"},
    ]
)


def with_key(job: NewJob, key: str, mode: dict[str, str | int]) -> NewJob:
    job_id, said, delay = job
    return (job_id, {**said, "dd": {"k": key, **mode}}, delay or (500 if mode["m"] == "d" else None))


keyed_jobs = st.builds(with_key, new_jobs, keys, modes)
