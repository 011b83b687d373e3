import signal

from tests.cli.harness import end


def test_what_happened_is_shown_to_people_and_scripts(cli, client, queue):
    client.add(queue, id="a")
    client.add(queue, id="later", delay=60)
    client.cancel(queue, "later", "changed\nmy mind")
    first, second, third = cli.ok("events", queue, "--json").json_lines
    assert (first["kind"], first["job_id"], first["state"], first["queue"]) == ("ADDED", "a", "WAITING", queue)
    assert third["reason"] == "changed\nmy mind"
    lines = cli.ok("events", queue).out.splitlines()
    assert [line.split()[2:] for line in lines] == [
        ["ADDED", "a", "WAITING"],
        ["ADDED", "later", "DELAYED"],
        ["CANCELLED", "later", "changed", "my", "mind"],
    ]
    assert cli.ok("events", queue, "--json", "--resume", first["resume_token"]).json_lines == [second, third]
    assert cli.ok("events", queue, "--json", "--kind", "cancelled").json_lines == [third]


def test_following_shows_what_happens_until_it_is_interrupted(cli, client, queue):
    client.add(queue, id="before")
    following = cli.start("events", queue, "--follow")
    assert following.stdout is not None
    assert b"before" in following.stdout.readline()
    client.add(queue, id="after")
    assert b"after" in following.stdout.readline()
    ended = end(following, signal.SIGINT)
    assert (ended.code, ended.out, ended.err) == (130, "", "")


def test_wrong_usage_is_refused(cli, queue):
    assert "is not one of added, " in cli.refuses("events", queue, "--kind", "finished")
    assert "goes with --follow" in cli.refuses("events", queue, "--new")
    assert "resume_token" in cli.fails(1, "events", queue, "--resume", "1.another")


def test_how_many_events_are_kept_is_set_with_the_queue(cli, queue):
    assert cli.ok("queues", "update", queue, "--max-events", "0", "--json").json["config"]["max_events"] == 0
    assert cli.ok("events", queue, "--json").json_lines == []
