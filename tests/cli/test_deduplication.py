"""leasemq add --dedup-key, and leasemq queues free-key."""


def test_a_job_with_a_key_that_is_held_is_not_added(cli, client, queue):
    first = cli.ok("add", queue, "1", "--dedup-key", "k", "--json").json
    assert (first["created"], first["deduplicated"]) == (True, False)
    second = cli.ok("add", queue, "2", "--dedup-key", "k", "--json").json
    assert (second["id"], second["created"], second["deduplicated"]) == (first["id"], False, True)
    assert cli.ok("add", queue, "2", "--dedup-key", "k").out == f"{first['id']} has the key in {queue}: not added\n"
    assert client.admin.stats(queue).waiting == 1


def test_modes_and_ttl_reach_the_job(cli, client, queue):
    debounced = ["--dedup-key", "k", "--dedup-mode", "debounce", "--delay", "1h"]
    cli.ok("add", queue, "1", *debounced)
    assert "in the place of another one" in cli.ok("add", queue, "2", *debounced).out
    cli.ok("add", queue, "3", "--dedup-key", "t", "--dedup-mode", "THROTTLE", "--dedup-ttl", "1h")
    assert sorted(job.payload for job in client.admin.jobs(queue)) == [2, 3]


def test_a_key_can_be_freed(cli, queue):
    added = cli.ok("add", queue, "1", "--dedup-key", "k", "--json").json
    assert cli.ok("queues", "free-key", queue, "k").out == f"k is free: {added['id']} goes on without it\n"
    assert cli.ok("queues", "free-key", queue, "k", "--json").json == {"queue": queue, "key": "k", "removed": False, "id": None}
    assert cli.ok("add", queue, "2", "--dedup-key", "k", "--json").json["created"]


def test_what_does_not_go_together_is_wrong_usage(cli, queue):
    assert "until-finished" in cli.fails(2, "add", queue, "1", "--dedup-key", "k", "--dedup-mode", "never")
    assert "--dedup-key" in cli.fails(2, "add", queue, "1", "--dedup-ttl", "1h")
    assert "deduplication.ttl" in cli.fails(1, "add", queue, "1", "--dedup-key", "k", "--dedup-mode", "throttle")
