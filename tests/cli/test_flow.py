import json

import pytest
from leasemq import Dependency, JobState

from tests.cli.harness import TIMEOUT_S, end


def flow(queue: str, *, prefix: str = "") -> bytes:
    nodes = [
        {"queue": f"{queue}-zip", "key": "zip", "id": f"{prefix}zip", "depends_on": ["a", {"key": "b", "on_failure": "RUN"}]},
        {"queue": queue, "key": "a", "id": f"{prefix}a", "payload": {"n": 1}, "name": "resize", "attempts": 3, "delay": "1h"},
        {"queue": queue, "key": "b", "id": f"{prefix}b", "depends_on": ["c"]},
        {"queue": queue, "key": "c", "id": f"{prefix}c", "priority": 3},
    ]
    return json.dumps(nodes).encode()


def test_a_flow_is_added_and_shown_as_a_tree(program, cli, client, queue):
    lines = program.ok("flow", "add", "-", "--json", stdin=flow(queue)).json_lines
    assert [(line["key"], line["queue"], line["id"], line["state"], line["created"]) for line in lines] == [
        ("zip", f"{queue}-zip", "zip", "BLOCKED", True),
        ("a", queue, "a", "DELAYED", True),
        ("b", queue, "b", "BLOCKED", True),
        ("c", queue, "c", "WAITING", True),
    ]
    job = client.get(queue, "a")
    assert (job.payload, job.name, job.max_attempts) == ({"n": 1}, "resize", 3)
    tree = cli.ok("flow", "show", f"{queue}-zip", "zip").out.splitlines()
    assert [line.split("─ ")[-1].split()[:2] for line in tree] == [
        ["zip", "BLOCKED"],
        [f"{queue}/a", "DELAYED"],
        [f"{queue}/b", "BLOCKED"],
        [f"{queue}/c", "WAITING"],
    ]
    assert tree[3].startswith("    └── ")
    shown = cli.ok("flow", "show", f"{queue}-zip", "zip", "--json").json
    assert [(it["id"], it["on_failure"], it["state"], it["result"]) for it in shown["dependencies"]] == [
        ("a", "FAIL", "DELAYED", None),
        ("b", "RUN", "BLOCKED", None),
    ]


def test_a_flow_is_read_from_a_file_and_added_again_without_effect(cli, queue, tmp_path):
    file = tmp_path / "flow.json"
    file.write_bytes(flow(queue))
    assert cli.ok("flow", "add", str(file)).out.count("yes") == 4
    assert cli.ok("flow", "add", str(file)).out.count("no") >= 4


def test_jobs_are_listed_with_those_that_they_depend_on_below_them(cli, client, queue):
    client.add(queue, id="alone")
    client.add(queue, id="leaf")
    client.add(queue, id="mid", depends_on=[Dependency(queue, "leaf")])
    client.add(queue, id="top", depends_on=[Dependency(queue, "mid"), Dependency(queue, "leaf")])
    listed = cli.ok("jobs", "list", queue, "--tree").out.splitlines()
    assert [line.split("─ ")[-1].split()[0] for line in listed] == ["alone", "top", "leaf", "mid", "leaf"]
    assert listed[-1].endswith("see above")
    rows = cli.ok("jobs", "list", queue).out.splitlines()[1:]
    assert [row.split(queue)[0].rstrip() for row in rows] == ["alone", "top", "└ mid", "  └ leaf"]
    rows = cli.ok("jobs", "list", queue, "--state", "waiting").out.splitlines()[1:]
    assert [row.split()[0] for row in rows] == ["alone", "leaf"]
    assert [job["id"] for job in cli.ok("jobs", "list", queue, "--state", "blocked", "--json").json_lines] == ["mid", "top"]
    shown = cli.ok("jobs", "show", queue, "top").out
    assert "depends on" in shown
    assert "mid" in shown
    assert cli.ok("stats", queue, "--json").json["blocked"] == 2


def test_a_job_is_shown_with_the_results_of_what_it_depends_on(program, cli, client, queue):
    client.add(queue, id="leaf")
    client.add(queue, id="top", depends_on=[Dependency(queue, "leaf")], delay=3600)
    working = program.start("work", queue, "--exec", """echo '"A.JPG"'""")
    client.wait(queue, "leaf", TIMEOUT_S)
    end(working)
    assert cli.ok("jobs", "show", queue, "top").out.splitlines()[-1].split() == [queue, "leaf", "COMPLETED", "FAIL", "A.JPG"]
    leaf = {"queue": queue, "id": "leaf", "state": "COMPLETED", "on_failure": "FAIL", "result": "A.JPG"}
    assert cli.ok("jobs", "show", queue, "top", "--json").json["dependencies"] == [leaf]


def test_a_cascade_reaches_the_jobs_below(cli, client, queue):
    client.add(queue, id="leaf")
    client.add(queue, id="top", depends_on=[Dependency(queue, "leaf")])
    cli.ok("jobs", "cancel", queue, "top", "--cascade", "dependencies")
    assert client.get(queue, "leaf").state is JobState.CANCELLED
    assert "deleted 1" in cli.ok("jobs", "delete", queue, "top", "--cascade", "dependencies").out
    assert client.admin.stats(queue).cancelled == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("{}", "is not a JSON list of nodes"),
        ("[]", "is not a JSON list of nodes"),
        ("[1]", "nodes[0] is not an object of queue, key, "),
        ('[{"queue": "q", "what": 1}]', "nodes[0] has 'what', which is none of queue, key, "),
        ('[{"key": "a"}]', "nodes[0] has no queue"),
        ('[{"queue": 1}]', "nodes[0]: queue is 1"),
        ('[{"queue": "q", "delay": "soon"}]', "is not a duration"),
        ('[{"queue": "q", "depends_on": [1]}]', "nodes[0]: 1 is no key"),
        ('[{"queue": "q", "depends_on": [{"key": "a", "on_failure": "shrug"}]}]', "shrug"),
    ],
)
def test_what_is_no_flow_is_exit_2(cli, tmp_path, text, message):
    file = tmp_path / "flow.json"
    file.write_text(text)
    assert message in cli.fails(2, "flow", "add", str(file))


def test_what_the_broker_refuses_is_said_in_a_line(cli, queue, tmp_path):
    file = tmp_path / "flow.json"
    file.write_text(
        json.dumps([{"queue": queue, "key": "a", "depends_on": ["b"]}, {"queue": queue, "key": "b", "depends_on": ["a"]}])
    )
    assert "form a cycle: a → b → a (" in cli.fails(1, "flow", "add", str(file))
    assert "cannot read" in cli.fails(1, "flow", "add", "nowhere.json")
    assert "no job" in cli.fails(4, "flow", "show", queue, "nowhere")
    assert "--tree" in cli.refuses("jobs", "list", queue, "--tree", "--json")
    assert "not dependencies or dependents" in cli.refuses("jobs", "cancel", queue, "x", "--cascade", "up")
