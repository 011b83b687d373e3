import signal
import time

import pytest
from leasemq import JobState, NewJob
from leasemq_server.cli.jobs import CANCELLABLE, DELETABLE, FINISHED

from tests.cli.harness import TIMEOUT_S, end

NOWHERE = "no-such-job"


@pytest.fixture
def delayed(client, queue):
    return [client.add(queue, n, delay=3600, id=f"job-{n}", name="even" if n % 2 == 0 else "odd").id for n in range(5)]


def test_list_shows_a_job_a_line_and_says_when_there_are_more(cli, queue, delayed):
    everything = cli.ok("jobs", "list", queue).out
    assert [line.split()[0] for line in everything.splitlines()[1:]] == delayed
    assert "more" in cli.ok("jobs", "list", queue, "--limit", "2").out


def test_list_as_json_filters_orders_and_bounds(cli, queue, delayed):
    found = cli.ok(
        "jobs", "list", queue, "--state", "delayed", "--name", "even", "--desc", "--limit", "2", "--payload", "--json"
    ).json_lines
    assert [(job["id"], job["payload"], job["state"]) for job in found] == [("job-4", 4, "DELAYED"), ("job-2", 2, "DELAYED")]
    assert cli.ok("jobs", "list", queue, "--state", "waiting", "--json").json_lines == []


def test_show_tells_all_there_is(cli, queue, delayed):
    job = cli.ok("jobs", "show", queue, delayed[3], "--json").json
    assert {name: job[name] for name in ("id", "queue", "name", "state", "payload", "attempt", "failures", "failure_count")} == {
        "id": "job-3",
        "queue": queue,
        "name": "odd",
        "state": "DELAYED",
        "payload": 3,
        "attempt": 0,
        "failures": [],
        "failure_count": 0,
    }
    assert job["create_time"].endswith("Z")
    assert "DELAYED" in cli.ok("jobs", "show", queue, delayed[3]).out


def test_promote_cancel_and_delete_change_the_jobs_named(cli, client, queue, delayed):
    assert cli.ok("jobs", "promote", queue, *delayed[:2], "--json").json == {"promoted": 2, "not_found": 0, "skipped": 0}
    assert cli.ok("jobs", "cancel", queue, delayed[2], "--reason", "by hand").out == f"{delayed[2]} is cancelled\n"
    assert cli.ok("jobs", "delete", queue, delayed[3], "--yes").out == "deleted 1 job\n"
    stats = client.admin.stats(queue)
    assert (stats.waiting, stats.cancelled, stats.delayed) == (2, 1, 1)


def test_all_that_match_are_promoted_and_deleted(cli, client, queue, delayed):
    assert cli.ok("jobs", "promote", queue, "--all", "--name", "even").out == "promoted 3 jobs\n"
    assert cli.ok("jobs", "delete", queue, "--all", "--state", "waiting", "--limit", "1").out == "deleted 1 job\n"
    assert client.admin.stats(queue).waiting == 2


def test_cancelled_jobs_can_be_retried(cli, client, queue, delayed):
    client.cancel(queue, delayed[0])
    assert cli.ok("jobs", "retry", queue, "--all", "--state", "cancelled", "--json").json["retried"] == 1
    assert client.get(queue, delayed[0]).state is JobState.WAITING


def test_a_job_that_is_not_there_is_exit_4(cli, queue, delayed):
    assert "JOB_NOT_FOUND" in cli.fails(4, "jobs", "show", queue, NOWHERE)
    assert "do not exist" in cli.fails(4, "jobs", "retry", queue, NOWHERE)
    assert "JOB_NOT_FOUND" in cli.fails(4, "jobs", "logs", queue, NOWHERE)


def test_a_verb_that_does_not_apply_is_exit_1(cli, queue, delayed):
    assert "can't be retried" in cli.fails(1, "jobs", "retry", queue, delayed[0])


@pytest.mark.parametrize(
    "arguments",
    [
        ["retry", "q"],
        ["retry", "q", "id", "--all"],
        ["promote", "q", "id", "--name", "x"],
        ["delete", "q", "--all"],
        ["list", "q", "-s", "odd"],
    ],
)
def test_an_unclear_selection_is_exit_2(cli, arguments):
    cli.refuses("jobs", *arguments)


def test_update_changes_what_is_given(cli, client, queue, delayed):
    assert (
        cli.ok("jobs", "update", queue, delayed[0], '{"a": 1}', "--priority", "4").out == f"changed job-0 of {queue}: delayed\n"
    )
    job = client.get(queue, "job-0")
    assert (job.payload, job.priority) == ({"a": 1}, 4)
    assert cli.ok("jobs", "update", queue, "job-0", "--run-time", "2020-01-01T00:00:00Z", "--json").json["state"] == "WAITING"
    assert cli.ok("jobs", "update", queue, "job-0", "--delay", "1h", "--json").json["state"] == "DELAYED"


def test_update_says_what_is_wrong(cli, queue, delayed):
    assert "--priority" in cli.fails(2, "jobs", "update", queue, "job-0")
    assert "not both" in cli.fails(2, "jobs", "update", queue, "job-0", "--delay", "1h", "--run-time", "2020-01-01T00:00:00Z")
    cli.fails(4, "jobs", "update", queue, NOWHERE, "1")


def test_all_that_match_are_cancelled(cli, client, queue, delayed):
    assert cli.ok("jobs", "cancel", queue, "--all", "--state", "delayed", "--name", "even", "--yes").out == "cancelled 3 jobs\n"
    assert client.admin.stats(queue).cancelled == 3
    assert "--state" in cli.fails(2, "jobs", "cancel", queue, "--all")
    assert "by id" in cli.fails(2, "jobs", "cancel", queue)


def test_search_finds_by_what_jobs_hold_and_says_at_how_many_it_looked(cli, client, queue, delayed):
    client.add(queue, {"to": "ada"}, id="mail")
    found = cli.ok("search", queue, "ada").out
    assert "mail" in found
    assert "looked at 6 jobs" in found
    assert [job["id"] for job in cli.ok("search", queue, "--name", "even", "--json").json_lines] == ["job-0", "job-2", "job-4"]
    assert [job["id"] for job in cli.ok("search", queue, "--id", "job-", "-n", "2", "--json").json_lines] == ["job-0", "job-1"]
    assert cli.ok("search", queue, "--failure", "x").out.startswith(f"no such jobs in {queue}")
    assert cli.ok("search", queue, "ada", "--state", "delayed", "--json").json_lines == []
    assert "--failure" in cli.fails(2, "search", queue)


def test_a_bulk_verb_that_is_interrupted_says_how_far_it_has_come_and_the_next_one_does_the_rest(program, client, queue):
    client.add_many(queue, [NewJob(1)] * 20_000)
    command = ("jobs", "delete", queue, "--all", "--state", "waiting", "--yes")
    deleting = program.start(*command)
    deadline = time.monotonic() + TIMEOUT_S
    while client.admin.stats(queue).waiting > 18_000:
        assert time.monotonic() < deadline
    ended = end(deleting, signal.SIGINT)
    assert (ended.code, ended.out) == (130, "")
    assert ended.err.startswith("stopped: deleted ")
    left = client.admin.stats(queue).waiting
    assert 0 < left < 19_000
    rest = program.ok(*command, "--json").json["deleted"]
    assert left - 1_000 <= rest <= left  # the broker may have been at one more script
    assert client.admin.stats(queue).waiting == 0


def test_jobs_that_are_not_there_and_those_that_are_in_the_wrong_state_are_both_told(program, client, queue):
    client.add(queue, 1, id="waiting")
    said = program.fails(4, "jobs", "retry", queue, "waiting", "nobody", "nothing")
    assert "2 of the jobs named do not exist; 1 can't be retried in the state that they are in" in said
    assert "1 can't be retried" in program.fails(1, "jobs", "retry", queue, "waiting")


@pytest.mark.parametrize(
    ("verb", "state", "possible"),
    [
        ("cancel", "failed", "waiting, delayed, blocked, active here"),
        ("retry", "waiting", "completed, failed, cancelled here"),
        ("delete", "active", "waiting, delayed, blocked, completed, failed, cancelled here"),
    ],
)
def test_a_state_whose_jobs_a_verb_does_not_reach_is_a_wrong_usage(cli, queue, verb, state, possible):
    said = cli.refuses("jobs", verb, queue, "--all", "--state", state)
    assert f"--state: must be one of {possible}" in said


@pytest.mark.parametrize(("verb", "states"), [("cancel", CANCELLABLE), ("retry", FINISHED), ("delete", DELETABLE)])
def test_the_broker_takes_each_state_that_the_command_takes(cli, client, queue, verb, states):
    client.admin.update_queue(queue, max_active=0)
    for state in states:
        cli.ok("jobs", verb, queue, "--all", "--state", state.name.lower())
