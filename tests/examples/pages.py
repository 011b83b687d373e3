"""Running the examples, and the commands of the pages in docs/."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support import free_port

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 60
CRASH = "See it under a crash"


def block(page: str, language: str, section: str = "") -> str:
    """The one block in that language of a page, or of a section of it."""
    text = (ROOT / "docs" / page).read_text()
    if section:
        text = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    (found,) = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    return found


def shell(text: str, address: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Runs a block with `leasemq` on the path."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "LEASEMQ_ADDRESS": address}
    return subprocess.run(
        ["bash", "-c", text], cwd=directory, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )


def commands(page: str, address: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Runs the commands that a page begins with; the first that fails is the last."""
    return shell(f"set -e\n{block(page, 'console')}", address, directory)


def crash(page: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Runs what a page shows of a crash, with brokers of its own on free ports."""
    text = block(page, "sh", CRASH)
    for port in ("7979", "7980"):
        text = text.replace(port, str(free_port()))
    return shell(text, "unused", directory)


def run_example(name: str, address: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a program of examples/ to its end."""
    return subprocess.run(
        [sys.executable, str(ROOT / "examples" / name), *arguments],
        env=os.environ | {"LEASEMQ_ADDRESS": address},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
