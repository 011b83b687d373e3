"""The demo as a newcomer runs it, but without a terminal."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
DEMO = [sys.executable, str(ROOT / "examples" / "demo.py")]
TIMEOUT_S = 90


def test_the_demo_delivers_what_it_promises_and_ends_well():
    ended = subprocess.run(["make", "--silent", "demo"], cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stderr == ""
    assert "\x1b" not in ended.stdout
    for promised in ("mails delivered: 13", "refused attempts: 4", "expired sessions removed: 20", "webhooks received: 5"):
        assert f"ok     {promised}\n" in ended.stdout
    assert "WRONG" not in ended.stdout
    rows = {
        line.split()[0]: line.split()[1:]
        for line in ended.stdout.splitlines()
        if line.startswith(("email", "cleanup", "notification"))
    }
    # waiting, delayed, active, completed, failed, as GetStats has them at the end
    assert rows == {
        "email": ["0", "0", "0", "13", "1"],
        "cleanup": ["0", "0", "0", "1", "0"],
        "notification": ["0", "0", "0", "5", "0"],
        "email.dead": ["1", "0", "0", "0", "0"],
    }


def test_ctrl_c_ends_the_demo_and_all_that_it_started():
    demo = subprocess.Popen(
        DEMO, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"}
    )
    assert demo.stdout is not None
    for line in demo.stdout:
        if "delivered" in line:
            break
    started = psutil.Process(demo.pid).children(recursive=True)
    assert len(started) >= 5  # the broker, its store, three workers
    demo.send_signal(signal.SIGINT)
    _, errors = demo.communicate(timeout=TIMEOUT_S)
    assert (demo.returncode, errors) == (130, "")
    gone, alive = psutil.wait_procs(started, timeout=5)
    assert (len(gone), alive) == (len(started), [])
