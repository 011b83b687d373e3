from datetime import UTC, datetime, timedelta

import pytest

NIGHTLY = ("--cron", "0 2 * * *", "--tz", "Europe/Berlin")


def test_a_schedule_is_added_and_shown_to_people_and_scripts(cli, queue):
    said = cli.ok(
        "schedule", "add", queue, "nightly", '{"kind": "full"}', *NIGHTLY, "--overlap", "skip", "--catch-up", "1h",
        "--max-runs", "7", "--start", "2026-01-01T00:00:00Z", "--end", "2100-01-01T00:00:00Z", "--attempts", "3", "--delay", "5s",
        "--name", "report", "--json",
    ).json  # fmt: skip
    assert said["next_run_time"] > datetime.now(UTC).isoformat()
    assert {
        name: said[name] for name in ("queue", "id", "cron", "every", "time_zone", "overlap", "catch_up_window", "max_runs")
    } == {
        "queue": queue,
        "id": "nightly",
        "cron": "0 2 * * *",
        "every": None,
        "time_zone": "Europe/Berlin",
        "overlap": "SKIP",
        "catch_up_window": 3600.0,
        "max_runs": 7,
    }
    assert (said["start_time"], said["end_time"]) == ("2026-01-01T00:00:00Z", "2100-01-01T00:00:00Z")
    job = {"payload": {"kind": "full"}, "name": "report", "attempts": 3, "delay": 5.0, "content_type": "application/json"}
    assert said["job"] == job
    assert cli.ok("schedule", "show", queue, "nightly", "--json").json == said
    shown = cli.ok("schedule", "show", queue, "nightly").out
    assert all(word in shown for word in ("Europe/Berlin", "SKIP", '{"kind": "full"}', "next run time"))


def test_adding_again_changes_it(cli, client, queue):
    assert "next run 2" in cli.ok("schedule", "add", queue, "s", "1", "--every", "1h").out
    cli.ok("schedule", "add", queue, "s", "2", "--every", "30m")
    schedule = client.schedules.get(queue, "s")
    assert (schedule.every, schedule.job.payload) == (timedelta(minutes=30), 2)


def test_list_has_a_line_a_schedule(cli, queue):
    cli.ok("schedule", "add", queue, "hourly", "--every", "1h")
    cli.ok("schedule", "add", queue, "nightly", *NIGHTLY)
    cli.ok("schedule", "add", queue, "over", "--every", "1h", "--end", "2020-01-01T00:00:00Z")
    cli.ok("schedule", "pause", queue, "nightly")
    assert [(found["id"], found["paused"]) for found in cli.ok("schedule", "list", queue, "--json").json_lines] == [
        ("hourly", False),
        ("nightly", True),
        ("over", False),
    ]
    lines = cli.ok("schedule", "list", queue).out.splitlines()[1:]
    assert [(line.split()[1], line.split()[-1]) for line in lines] == [
        ("hourly", "runs"),
        ("nightly", "paused"),
        ("over", "ended"),
    ]
    assert queue in cli.ok("schedule", "list").out
    assert "no schedules" in cli.ok("schedule", "list", f"{queue}-none").out


def test_pause_resume_trigger_and_delete(cli, client, queue):
    cli.ok("schedule", "add", queue, "s", '"x"', *NIGHTLY, "--overlap", "skip")
    assert cli.ok("schedule", "pause", queue, "s").out == f"paused s of {queue}: no run is to come\n"
    assert cli.ok("schedule", "resume", queue, "s", "--json").json["paused"] is False
    job = cli.ok("schedule", "trigger", queue, "s", "--json").json
    assert (job["created"], job["state"]) == (True, "WAITING")
    assert client.get(queue, job["id"]).payload == "x"
    assert "nothing was added" in cli.ok("schedule", "trigger", queue, "s").out
    assert cli.ok("schedule", "delete", queue, "s", "--yes").out == f"deleted s of {queue}\n"
    assert cli.ok("jobs", "show", queue, job["id"], "--json").json["schedule_id"] == "s"


@pytest.mark.parametrize("verb", ["show", "pause", "resume", "trigger", "delete"])
def test_an_unknown_schedule_is_exit_4(cli, queue, verb):
    assert "SCHEDULE_NOT_FOUND" in cli.fails(4, "schedule", verb, queue, "nowhere")


def test_what_the_broker_refuses_names_the_field(cli, queue):
    assert "schedule.cron" in cli.fails(1, "schedule", "add", queue, "s", "--cron", "0 0 30 2 *")
    assert "schedule.time_zone" in cli.fails(1, "schedule", "add", queue, "s", "--cron", "@daily", "--tz", "Nowhere/City")
    assert cli.ok("schedule", "list", queue, "--json").json_lines == []


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--cron", "@daily", "--every", "5m"),
        ("--every", "-5s"),
        ("--cron", "@daily", "--max-runs", "0"),
        ("--cron", "@daily", "--overlap", "perhaps"),
        ("--cron", "@daily", "--start", "tomorrow"),
        ("--cron", "@daily", "--catch-up", "-1h"),
    ],
)
def test_wrong_usage_is_exit_2(cli, queue, arguments):
    cli.refuses("schedule", "add", queue, "s", *arguments)
