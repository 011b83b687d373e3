import pytest
from leasemq import JobState


def test_a_queue_is_updated_by_either_name_of_the_command(cli, queue):
    assert cli.ok("queue", "update", queue, "--max-active", "3", "--json").json["config"]["max_active"] == 3
    assert cli.ok("queues", "show", queue, "--json").json["config"]["max_active"] == 3


def test_stats_of_one_queue_for_people_and_scripts(cli, client, queue):
    client.add(queue, 1)
    client.add(queue, 2, delay=60)
    counted = cli.ok("stats", queue, "--json").json
    names = ("queue", "waiting", "delayed", "active", "completed", "failed", "paused", "added_total")
    assert [counted[name] for name in names] == [queue, 1, 1, 0, 0, 0, False, 2]
    assert counted["oldest_waiting_age"] >= 0
    assert "waiting" in cli.ok("stats", queue).out


def test_stats_of_a_queue_that_nobody_used_are_zeros(cli, queue):
    assert cli.ok("stats", queue, "--json").json["added_total"] == 0


@pytest.mark.parametrize(
    "words",
    [
        "stats",
        "events",
        "metrics",
        "search x",
        "group list",
        "jobs list",
        "jobs retry --all",
        "jobs cancel --all --state waiting",
        "queues drain",
    ],
)
def test_a_queue_that_nobody_used_may_be_a_slip_and_is_told_of(cli, client, queue, words):
    command = words.split()
    where = len(command) - (words == "search x") if words.count("--all") == 0 else 2
    command.insert(where, queue)
    told = f"there is no queue '{queue}': nothing was added to it so far — see: leasemq queues list\n"
    ended = cli.ok(*command, "--json")
    assert (ended.err, told in ended.out) == (told, False)
    client.add(queue, delay=60)
    assert cli.ok(*command, "--json").err == ""


def test_all_queues_are_listed_with_their_counts(cli, client, queue):
    client.add(queue, 1)
    assert [found["waiting"] for found in cli.ok("stats", "--json").json_lines if found["queue"] == queue] == [1]
    assert [found["stats"]["waiting"] for found in cli.ok("queues", "list", "--json").json_lines if found["name"] == queue] == [1]
    (line,) = [line for line in cli.ok("stats").out.splitlines() if line.startswith(queue)]
    assert line.split()[1] == "1"


def test_pause_and_resume(cli, client, queue):
    assert "paused" in cli.ok("queues", "pause", queue).out
    assert client.admin.stats(queue).paused
    cli.ok("queues", "resume", queue)
    assert not client.admin.stats(queue).paused


def test_update_changes_what_is_named_and_keeps_the_rest(cli, client, queue):
    cli.ok(
        "queues",
        "update",
        queue,
        "--attempts",
        "4",
        "--dead-letter-queue",
        "dead",
        "--failed-age",
        "2d",
        "--completed-count",
        "7",
    )
    shown = cli.ok("queues", "update", queue, "--backoff", "list:1s,5s", "--json").json
    assert shown["config"]["attempts"] == 4
    assert shown["config"]["dead_letter_queue"] == "dead"
    config = client.admin.queue(queue).config
    assert (config.attempts, config.failed_retention.max_age.total_seconds(), config.completed_retention.max_count) == (
        4,
        172_800,
        7,
    )
    assert "dead" in cli.ok("queues", "show", queue).out


def test_drain_leaves_delayed_jobs_unless_asked(cli, client, queue):
    client.add(queue, 1)
    client.add(queue, 2, delay=60)
    assert cli.ok("queues", "drain", queue, "--json").json == {"queue": queue, "removed": 1}
    assert cli.ok("queues", "drain", queue, "--include-delayed", "--yes").out == f"removed 1 job from {queue}\n"


def test_a_queue_with_jobs_is_deleted_by_force_only(cli, client, queue):
    client.add(queue, 1)
    assert "QUEUE_NOT_EMPTY" in cli.fails(1, "queues", "delete", queue)
    assert [job.state for job in client.admin.jobs(queue)] == [JobState.WAITING]
    assert cli.ok("queues", "delete", queue, "--force", "--json").json["removed"] == 1
    assert "QUEUE_NOT_FOUND" in cli.fails(4, "queues", "show", queue)


def test_an_update_that_changes_nothing_is_exit_2(cli, queue):
    cli.refuses("queues", "update", queue)


def test_limits_are_set_shown_and_taken_off(cli, client, queue):
    cli.ok("queues", "update", queue, "--max-active", "20", "--rate-limit", "100/1s", "--max-waiting", "500")
    config = cli.ok("queues", "show", queue, "--json").json["config"]
    assert (config["max_active"], config["max_waiting"]) == (20, 500)
    assert config["rate_limit"] == {"max_jobs": 100, "duration": 1}
    cli.ok("queues", "update", queue, "--rate-limit", "none", "--max-active", "none")
    left = client.admin.queue(queue).config
    assert (left.max_active, left.rate_limit, left.max_waiting) == (None, None, 500)
    assert "max waiting" in cli.ok("queues", "show", queue).out


def test_what_is_no_limit_is_refused(cli, queue):
    for option in (
        ["--max-active", "-1"],
        ["--max-active", "0"],
        ["--rate-limit", "5"],
        ["--rate-limit", "-5/s"],
        ["--max-waiting", "x"],
    ):
        cli.refuses("queues", "update", queue, *option)
