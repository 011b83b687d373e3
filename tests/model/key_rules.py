"""Jobs with deduplication keys."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from tests.model.choices import IDS, KEPT_MS, NewJob, groups, in_group, keyed_jobs, keys, modes, new_jobs, with_key


class KeyRules(RuleBasedStateMachine):
    """A part of `History`."""

    @rule(jobs=st.lists(keyed_jobs | keyed_jobs | new_jobs, min_size=1, max_size=4))
    def add_with_keys(self, jobs: list[NewJob]) -> None:
        self.add(jobs)
        self.looked = self.looked or self.model.replaced  # the next due time is looked for anew

    @rule(
        key=keys,
        first=modes,
        starts=st.sampled_from([True, True, False]),
        second=st.none() | modes | st.just({"m": "l"}),
        end=st.sampled_from(["", "complete", "complete", "redrive", "redrive", "fail", "fail", "delete", "free"]),
        third=modes,
        group=groups | st.just(""),
    )
    def add_three_with_one_key(
        self,
        key: str,
        first: dict[str, Any],
        starts: bool,
        second: dict[str, Any] | None,
        end: str,
        third: dict[str, Any],
        group: str,
    ) -> None:
        """The first one perhaps runs when the second, if any, comes; and ends or waits for its retry when the third comes."""
        new = [job_id for job_id in IDS if job_id not in self.model.jobs]
        new_keyed = [(job_id, in_group({"ma": 2, "rp": 1}, group), None) for job_id in new[:3]]
        jobs = [with_key(job, key, mode) for job, mode in zip(new_keyed, (first, second or first, third), strict=False)]
        self.add(jobs[:1] or [(IDS[0], {}, None)])
        if starts:
            self._promote(new[:1])
            self.lease([9], KEPT_MS)
        if second:
            self.add(jobs[1:2] or [(IDS[1], {}, None)])
        self._end(key, *new[:1] or IDS[:1], end)
        self.add(jobs[2:] or [(IDS[2], {}, None)])
        self.looked = True  # what woke may be gone again

    @rule(key=keys, mode=modes, again=st.lists(st.booleans(), min_size=2, max_size=4))
    def add_in_vain(self, key: str, mode: dict[str, Any], again: list[bool]) -> None:
        """A job, and then a batch of it again and of others with its key."""
        new = [(job_id, {}, None) for job_id in IDS if job_id not in self.model.jobs] or [(IDS[0], {}, None)]
        first, *others = [with_key(job, key, mode) for job in new[: len(again) + 1]]
        self.add([first])
        self.add([first if is_first else other for is_first, other in zip(again, others, strict=False)] or [first])
        self.looked = True  # what woke may be gone again

    def _end(self, key: str, job_id: str, end: str) -> None:
        job = self.model.jobs.get(job_id)
        tokens = [(job_id, job.token)] if job and (job_id, job.token) in self.leases else []
        if end == "delete":
            self._delete([job_id], force=True)
        elif end == "free":
            self.free_a_key(key)
        elif end == "fail" and tokens:
            self._fail(tokens, {}, fatal=False, retry_delay=900)
        elif end in ("complete", "redrive") and tokens:
            self._complete(tokens)
        elif end == "redrive":
            self._cancel([job_id])
        if end == "redrive":
            self._retry([job_id], keep_attempts=False)

    @rule(key=keys)
    def free_a_key(self, key: str) -> None:
        assert self.run(self.store.remove_deduplication_key(self.desk.queue, key)) == self.model.free_key(key)
