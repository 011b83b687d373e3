"""The benchmark command, at its tiniest."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from leasemq_server.store.scripts import all_names

from bench.report import BEGIN_MARK, END_MARK, write_between_marks

ROOT = Path(__file__).resolve().parents[2]
LEASEMQ_CONTENDERS = {
    "add-single": {"LeaseMQ, SDK", "LeaseMQ, raw calls"},
    "add-batch": {"LeaseMQ, SDK", "LeaseMQ, raw calls", "LeaseMQ, raw stream"},
    "process": {"LeaseMQ, SDK", "LeaseMQ, raw calls", "LeaseMQ, raw stream"},
    "lifecycle": {"LeaseMQ, SDK", "LeaseMQ, raw calls", "LeaseMQ, raw stream"},
    "latency": {"LeaseMQ, SDK"},
    "groups": {"LeaseMQ, raw calls"},
    "memory": {"LeaseMQ, SDK"},
    "batch-sizes": {"LeaseMQ, raw calls"},
    "store": {"LeaseMQ, raw calls"},
}
COMPARED = {"add-single", "add-batch", "process", "lifecycle", "latency", "memory"}


def bench(*arguments, **environment):
    command = [sys.executable, "-m", "bench", "--quick", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=240, check=False
    )


@pytest.fixture
def document(tmp_path):
    file = tmp_path / "benchmarks.md"
    file.write_text(f"Prose before.\n\n{BEGIN_MARK}\n\nold results\n\n{END_MARK}\n\nProse after.\n", encoding="utf-8")
    return file


def test_every_scenario_runs_on_both_stores_and_the_results_are_written_into_the_document(document):
    ran = bench("--json", "--write", str(document))
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)
    peer_is_there = report["facts"]["peer"].startswith("BullMQ")
    assert peer_is_there or not os.environ.get("CI"), report["facts"]["peer"]

    contenders = {}
    for result in report["results"]:
        contenders.setdefault((result["store"], result["scenario"]), set()).add(result["contender"])
        assert all(value >= 0 for value in result["medians"].values()), result
    for (_, scenario), found in contenders.items():
        peers = {"BullMQ"} if peer_is_there and scenario in COMPARED else set()
        assert found == LEASEMQ_CONTENDERS[scenario] | peers
    assert {scenario for store, scenario in contenders if store == "no-aof"} == set(LEASEMQ_CONTENDERS)
    on_aof = {scenario for store, scenario in contenders if store == "aof"}
    assert on_aof == set(LEASEMQ_CONTENDERS) - {"groups", "memory", "store"}

    verdicts = {target["name"]: target["met"] for target in report["targets"]}
    broker_cpu = {f"broker CPU over the lifecycle, batches of 100, raw {way}" for way in ("calls", "stream")}
    assert {"memory of a waiting job", *broker_cpu} <= set(verdicts)
    assert (verdicts["memory of a waiting job"] is not None) == peer_is_there

    written = document.read_text(encoding="utf-8")
    assert written.startswith("Prose before.")
    assert written.endswith("Prose after.\n")
    assert "old results" not in written
    assert "### lifecycle: Add all, then work all (store without AOF)" in written


def test_without_node_it_says_that_the_peer_was_left_out_and_measures_leasemq_alone(tmp_path):
    ran = bench("--scenario", "memory", "--store", "no-aof", PATH=str(tmp_path))
    assert ran.returncode == 0, ran.stderr
    assert "LEFT OUT: node is not installed" in ran.stderr
    assert "LEFT OUT: node is not installed" in ran.stdout
    assert "LeaseMQ, SDK" in ran.stdout
    assert "not measured" in ran.stdout


def test_a_file_without_the_marks_is_refused_and_left_as_it_is(tmp_path):
    file = tmp_path / "other.md"
    file.write_text("No marks here.\n", encoding="utf-8")
    ran = bench("--write", str(file))
    assert ran.returncode == 2
    assert "--write" in ran.stderr
    assert file.read_text(encoding="utf-8") == "No marks here.\n"


def test_results_can_be_written_again_and_again(document):
    write_between_marks(document, "first")
    write_between_marks(document, "second")
    written = document.read_text(encoding="utf-8")
    assert "second" in written
    assert "first" not in written
    assert (written.count(BEGIN_MARK), written.count(END_MARK)) == (1, 1)


def test_the_scripts_are_timed_on_a_queue_of_the_size_asked_for():
    command = [sys.executable, "-m", "bench.scripts", "--jobs", "12000", "--json"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    timings = json.loads(ran.stdout)
    timed = {(timing["script"], timing["batch"]) for timing in timings}
    assert timed >= {("lease", 1), ("lease", 1000), ("fail, for good", 1000), ("tick, leases end", 1000), ("resolve", 1000)}
    assert all(0 < timing["least_us"] <= timing["median_us"] <= timing["longest_us"] for timing in timings)
    assert ran.returncode == (0 if all(timing["within"] for timing in timings) else 1)
    assert "" not in {timing["script"] for timing in timings}
    refused = subprocess.run([*command[:4], "9"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (refused.returncode, "at least 12,000" in refused.stderr) == (2, True)


def test_bulk_verbs_do_all_that_was_asked_for_and_go_on_after_an_interruption():
    command = [sys.executable, "-m", "bench.bulk", "--jobs", "5000", "--json"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    timings = json.loads(ran.stdout)
    assert [timing["verb"].partition(",")[0] for timing in timings] == [
        "add",
        "promote",
        "cancel",
        "add",
        "expire",
        "retry",
        "delete",
    ]
    assert {timing["jobs"] for timing in timings} == {5000}
    assert {"add", "promote", "tick", "retry"} <= {timing["script"] for timing in timings} <= set(all_names())
    assert all(0 < timing["median_us"] <= timing["p99_us"] <= timing["longest_us"] for timing in timings)
    assert ran.returncode == (0 if all(timing["within"] for timing in timings) else 1)
    refused = subprocess.run([*command[:4], "9"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (refused.returncode, "at least 5,000" in refused.stderr) == (2, True)
