def test_metrics_are_shown_to_people_and_scripts(cli, client, queue):
    client.add(queue, id="a", ttl=0.001)
    assert client.wait(queue, "a", 30).failures
    heading, line = cli.ok("metrics", queue).out.splitlines()
    assert heading.split()[:3] == ["from", "completed", "failed"]
    assert line.split()[2:4] == ["0", "1"]
    points = cli.ok("metrics", queue, "--last", "24h", "--resolution", "1h", "--json").json_lines
    assert (len(points), sum(point["failed"] for point in points), points[0]["run_time"]) == (25, 1, None)
    assert len(cli.ok("metrics", queue, "--last", "24h", "--resolution", "1m", "--json").json_lines) == 1441
    assert "no jobs were done" in cli.ok("metrics", f"{queue}-none").out
    assert "whole minutes" in cli.fails(1, "metrics", queue, "--resolution", "90s")
