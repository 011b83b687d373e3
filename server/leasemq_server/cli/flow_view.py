"""Jobs that depend on each other as people see them: trees, each job above those that it depends on."""

from collections.abc import Sequence
from typing import Any

from leasemq import Client, DependencyInfo, JobInfo, JobNotFound, JobState
from rich.text import Text
from rich.tree import Tree

from leasemq_server.cli.console import STATE_STYLES, print_table, show
from leasemq_server.cli.job_view import decoded

MOST = 1000  # jobs that one picture looks at

Ref = tuple[str, str]


class Picture:
    """Trees of jobs. A job that is there already is named again, but not drawn again: flows may meet."""

    def __init__(self, client: Client, home: str) -> None:
        self._client = client
        self._home = home
        self._drawn: set[Ref] = set()

    async def tree(self, job: JobInfo) -> Tree:
        """The job, and below it all that it depends on."""
        self._drawn.add((job.queue, job.id))
        tree = Tree(self._line(job.queue, job.id, job.state, job.name))
        todo = [(tree, job)]
        while todo:
            branch, above = todo.pop()
            for found in await self._below(above):
                ref = (found.queue, found.id)
                if ref in self._drawn or len(self._drawn) >= MOST:
                    branch.add(self._line(*ref, found.state, "see above" if ref in self._drawn else "…"))
                    continue
                self._drawn.add(ref)
                near = await self._get(ref)
                line = branch.add(self._line(*ref, found.state, near.name if near else "gone"))
                if near is not None:
                    todo.append((line, near))
        return tree

    async def _below(self, job: JobInfo) -> list[DependencyInfo]:
        try:
            return [found async for found in self._client.dependencies(job.queue, job.id)]
        except JobNotFound:
            return []

    async def _get(self, ref: Ref) -> JobInfo | None:
        try:
            return await self._client.get(*ref)
        except JobNotFound:
            return None

    def _line(self, queue: str, job_id: str, state: JobState, name: str) -> Text:
        place = "" if queue == self._home else f"{queue}/"
        word = state.name if state else "DELETED"
        return Text.assemble(place, (job_id, "bold"), " ", (word, STATE_STYLES.get(word, "")), " ", (name, "dim"))


async def print_tree(client: Client, job: JobInfo) -> None:
    """One job's tree."""
    show(await Picture(client, job.queue).tree(job))


async def print_forest(client: Client, jobs: Sequence[JobInfo]) -> None:
    """The jobs, each below those of them that depend on it."""
    below = {(it.queue, it.id) for job in jobs for it in job.depends_on}
    picture = Picture(client, jobs[0].queue if jobs else "")
    roots = [job for job in jobs if (job.queue, job.id) not in below]
    for job in roots:
        show(await picture.tree(job))
    if not roots:
        show("no such jobs")


def _result(dependency: DependencyInfo) -> Any:
    return decoded(dependency.raw_result, dependency, "result") if dependency.raw_result else None


async def dependencies_of(client: Client, job: JobInfo) -> list[dict[str, Any]]:
    """What a job depends on, with its state and result."""
    if not job.depends_on:
        return []
    return [
        {"queue": it.queue, "id": it.id, "state": it.state, "on_failure": it.on_failure, "result": _result(it)}
        async for it in client.dependencies(job.queue, job.id)
    ]


async def print_dependencies(client: Client, job: JobInfo) -> None:
    """What a job depends on, in a table."""
    rows = [list(it.values()) for it in await dependencies_of(client, job)]
    show("")
    print_table(("depends on", "id", "state", "on failure", "result"), rows, empty="it no longer depends on any job")
