"""Running the examples, and the commands of the pages in docs/."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 60


def block(page: str, language: str) -> str:
    """The one block of a page in that language."""
    (text,) = re.findall(rf"```{language}\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)
    return text


def shell(text: str, address: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Runs a block with `leasemq` on the path."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "LEASEMQ_ADDRESS": address}
    return subprocess.run(
        ["bash", "-c", text], cwd=directory, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )


def run_example(name: str, address: str) -> subprocess.CompletedProcess[str]:
    """Runs a program of examples/ to its end."""
    return subprocess.run(
        [sys.executable, str(ROOT / "examples" / name)],
        env=os.environ | {"LEASEMQ_ADDRESS": address},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
