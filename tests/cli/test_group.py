import json

import leasemq.sync
import pytest
from leasemq import EventKind, GroupDefaults, GroupFull, JobState
from leasemq_server.cli.connect import explain


@pytest.fixture
def grouped(client, queue):
    """Three waiting jobs of a, two delayed ones of b, one without a group."""
    for number in range(3):
        client.add(queue, number, id=f"a-{number}", group="a")
    for number in range(2):
        client.add(queue, number, id=f"b-{number}", group="b", delay=3600)
    client.add(queue, id="alone")
    return queue


def groups(cli, queue, *arguments):
    return {found["name"]: found for found in cli.ok("group", "list", queue, *arguments, "--json").json_lines}


# -- adding ---------------------------------------------------------------------------------------------------------


def test_a_job_is_added_to_a_group_and_shown_with_it(cli, client, queue):
    cli.ok("add", queue, "1", "--group", "customer 7", "--id", "one")
    assert client.get(queue, "one").group == "customer 7"
    assert cli.ok("jobs", "show", queue, "one", "--json").json["group"] == "customer 7"
    assert ["group", "customer", "7"] in [line.split() for line in cli.ok("jobs", "show", queue, "one").out.splitlines()]


def test_json_lines_say_a_group_each_or_have_the_option_s(program, client, queue):
    lines = [{"id": "x", "group": "x"}, {"id": "y"}]
    specs = "\n".join(map(json.dumps, lines)).encode()
    program.ok("add", queue, "--jsonl", "-", "--spec", "--group", "others", stdin=specs)
    assert {job.id: job.group for job in client.admin.jobs(queue)} == {"x": "x", "y": "others"}
    assert "group is 7" in program.fails(2, "add", queue, "--jsonl", "-", "--spec", stdin=b'{"group": 7}')


def test_flows_and_schedules_add_to_groups(program, cli, client, queue):
    program.ok("flow", "add", "-", stdin=json.dumps([{"queue": queue, "id": "node", "group": "a"}]).encode())
    assert client.get(queue, "node").group == "a"
    cli.ok("schedule", "add", queue, "nightly", "--every", "1h", "--group", "b")
    assert cli.ok("schedule", "show", queue, "nightly", "--json").json["job"]["group"] == "b"
    cli.ok("schedule", "trigger", queue, "nightly")
    assert sorted(groups(cli, queue)) == ["a", "b"]
    cli.ok("schedule", "delete", queue, "nightly", "--yes")


def test_a_full_group_is_one_line_that_names_it(client, address, queue):
    """The command would be patient for 30 s: what it says in the end is looked at here."""
    client.admin.update_queue(queue, group_defaults=GroupDefaults(max_waiting=1))
    with leasemq.sync.Client(address, retry_timeout=0.1) as hasty:
        hasty.add(queue, group="a")
        with pytest.raises(GroupFull) as refused:
            hasty.add(queue, group="a")
    assert "'a'" in explain(refused.value).message
    assert explain(refused.value).message.endswith("(GROUP_FULL)")


# -- jobs by group --------------------------------------------------------------------------------------------------


def test_jobs_are_listed_and_found_by_group(cli, grouped):
    assert [job["id"] for job in cli.ok("jobs", "list", grouped, "--group", "a", "--json").json_lines] == ["a-0", "a-1", "a-2"]
    assert [job["id"] for job in cli.ok("search", grouped, "--group", "b", "--json").json_lines] == ["b-0", "b-1"]
    assert "no such jobs" in cli.ok("jobs", "list", grouped, "-g", "nobody").out


def test_tables_of_jobs_have_groups_where_there_are_some(cli, client, grouped):
    heading, *rows = cli.ok("jobs", "list", grouped).out.splitlines()
    assert heading.split()[-1] == "group"
    assert [row.split()[-1] for row in rows if row.startswith("a-")] == ["a"] * 3
    cli.ok("jobs", "delete", grouped, "--all", "--state", "delayed", "--yes")
    cli.ok("jobs", "delete", grouped, "a-0", "a-1", "a-2", "--yes")
    assert "group" not in cli.ok("jobs", "list", grouped).out


def test_jobs_of_a_group_are_promoted_cancelled_retried_and_deleted(cli, client, grouped):
    client.add(grouped, id="c", group="c", delay=3600)
    assert cli.ok("jobs", "promote", grouped, "--all", "--group", "b").out == "promoted 2 jobs\n"
    assert cli.ok("jobs", "cancel", grouped, "--all", "--state", "waiting", "--group", "a").out == "cancelled 3 jobs\n"
    assert cli.ok("jobs", "retry", grouped, "--all", "--state", "cancelled", "--group", "b").out == "retried 0 jobs\n"
    assert cli.ok("jobs", "retry", grouped, "--all", "--state", "cancelled", "--group", "a").out == "retried 3 jobs\n"
    assert cli.ok("jobs", "delete", grouped, "--all", "--state", "waiting", "--group", "a").out == "deleted 3 jobs\n"
    assert sorted(job.id for job in client.admin.jobs(grouped)) == ["alone", "b-0", "b-1", "c"]
    cli.refuses("jobs", "retry", grouped, "b-0", "--group", "b")


# -- groups ---------------------------------------------------------------------------------------------------------


def test_groups_are_listed_with_their_jobs_and_settings(cli, grouped):
    cli.ok("group", "update", grouped, "b", "--weight", "3", "--max-active", "none", "--rate", "5/m")
    found = cli.ok("group", "list", grouped, "--json").json_lines
    assert sorted(found, key=lambda group: group["name"]) == [
        {
            "name": "a",
            "config": {"max_active": None, "rate_limit": None, "max_waiting": None, "weight": None, "paused": False},
            "waiting": 3,
            "active": 0,
        },
        {
            "name": "b",
            "config": {
                "max_active": 0,
                "rate_limit": {"max_jobs": 5, "duration": 60},
                "max_waiting": None,
                "weight": 3,
                "paused": False,
            },
            "waiting": 0,
            "active": 0,
        },
    ]
    heading, *rows = cli.ok("group", "list", grouped).out.splitlines()
    assert heading.split()[:3] == ["group", "waiting", "active"]
    assert sorted(row.split() for row in rows) == [
        ["a", "3", "0", "-", "-", "-", "-", "no"],
        ["b", "0", "0", "none", "5/1m", "-", "3", "no"],
    ]
    assert list(groups(cli, grouped, "a")) == ["a"]
    assert cli.ok("group", "list", grouped, "nobody").out == f"no such group in {grouped}\n"


def test_a_queue_that_nobody_used_has_no_groups(cli, queue):
    assert cli.ok("group", "list", queue).out == f"no groups in {queue}\n"
    assert cli.ok("group", "list", queue, "--json").out == ""


def test_update_changes_what_is_named_keeps_the_rest_and_takes_back(cli, client, grouped):
    cli.ok("group", "update", grouped, "a", "--max-active", "2", "--rate-limit", "10/1s", "--max-waiting", "500", "--weight", "4")
    changed = cli.ok(
        "group", "update", grouped, "a", "--unset", "rate-limit", "--unset", "max_waiting", "--weight", "5", "--json"
    )
    assert (changed.json["name"], changed.json["waiting"]) == ("a", 3)
    (found,) = client.admin.groups(grouped, "a")
    config = found.config
    assert (config.max_active, config.rate_limit, config.max_waiting, config.weight) == (2, None, None, 5)
    assert cli.ok("group", "update", grouped, "a", "--weight", "6").out.splitlines()[1].split()[:2] == ["a", "3"]


def test_pause_and_resume_a_group(cli, client, grouped):
    assert cli.ok("group", "pause", grouped, "a").out == f"paused a of {grouped}; go on with: leasemq group resume {grouped} a\n"
    assert groups(cli, grouped)["a"]["config"]["paused"]
    assert cli.ok("group", "resume", grouped, "a").out == f"resumed a of {grouped}\n"
    assert not groups(cli, grouped)["a"]["config"]["paused"]
    assert cli.ok("group", "pause", grouped, "a", "--json").json["config"]["paused"]
    told = cli.ok("events", grouped, "--kind", "group-paused", "--kind", "group_resumed", "--json").json_lines
    assert [(event["kind"], event["reason"]) for event in told] == [
        (EventKind.GROUP_PAUSED.name, "a"),
        (EventKind.GROUP_RESUMED.name, "a"),
        (EventKind.GROUP_PAUSED.name, "a"),
    ]


def test_a_group_of_a_queue_that_is_not_there_is_exit_4(cli, queue):
    assert "QUEUE_NOT_FOUND" in cli.fails(4, "group", "update", queue, "a", "--weight", "2")
    assert "QUEUE_NOT_FOUND" in cli.fails(4, "group", "pause", queue, "a")


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--max-active", "0"],
        ["--rate-limit", "none"],
        ["--rate-limit", "5"],
        ["--max-waiting", "x"],
        ["--weight", "0"],
        ["--weight", "1001"],
        ["--unset", "paused"],
        ["--weight", "2", "--unset", "weight"],
    ],
)
def test_what_is_no_setting_is_refused(cli, queue, options):
    cli.refuses("group", "update", queue, "a", *options)


# -- defaults of all groups -----------------------------------------------------------------------------------------


def test_defaults_of_all_groups_are_set_one_by_one_and_taken_off(cli, client, queue):
    cli.ok("queues", "update", queue, "--group-max-active", "1", "--max-active", "9")
    cli.ok("queues", "update", queue, "--group-rate-limit", "10/1s", "--group-max-waiting", "500")
    config = cli.ok("queues", "show", queue, "--json").json["config"]
    assert config["group_defaults"] == {"max_active": 1, "rate_limit": {"max_jobs": 10, "duration": 1}, "max_waiting": 500}
    cli.ok("queues", "update", queue, "--group-max-active", "none", "--group-rate-limit", "none")
    left = client.admin.queue(queue).config
    assert (left.max_active, left.group_defaults.max_active, left.group_defaults.max_waiting) == (9, None, 500)
    assert "group defaults" in cli.ok("queues", "show", queue).out
    cli.ok("queues", "update", queue, "--group-max-waiting", "none")
    assert client.admin.queue(queue).config.group_defaults is None
    cli.refuses("queues", "update", queue, "--group-max-active", "0")


def test_jobs_of_a_group_are_worked_in_turn(program, client, queue):
    for number in range(3):
        client.add(queue, number, id=f"noisy-{number}", group="noisy")
    client.add(queue, 0, id="calm", group="calm")
    working = program.start("work", queue, "--exec", "cat", "--concurrency", "1")
    assert client.wait(queue, "noisy-2", 30).state is JobState.COMPLETED
    working.terminate()
    working.communicate(timeout=30)
    started = {job_id: client.get(queue, job_id).start_time for job_id in ("noisy-0", "calm", "noisy-1")}
    assert sorted(started, key=started.__getitem__) == ["noisy-0", "calm", "noisy-1"]
