"""Brokers on two stores, and the example programs, built once."""

import re
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.polyglot.support import EXAMPLES, ROOT, Broker, Programs, locate, missing, needed, run, serve

GRPCURL_VERSION = "v1.9.4"
OLDEST_NODE = 20


@pytest.fixture(scope="session", params=["memory", "embedded"])
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    store = ["--store", "memory://"] if request.param == "memory" else []
    with serve(tmp_path_factory.mktemp("broker"), *store) as broker:
        yield broker


@pytest.fixture
def queue() -> str:
    return f"polyglot-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def go_programs(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    go, module, out = needed("go"), EXAMPLES / "go", tmp_path_factory.mktemp("go")
    wanted = re.findall(r"^go (\d+)\.(\d+)", (module / "go.mod").read_text(), re.MULTILINE)[0]
    found = re.findall(r"go(\d+)\.(\d+)", run(go, "version", cwd=module))[0]
    if tuple(map(int, found)) < tuple(map(int, wanted)):
        missing("go", f"is {'.'.join(found)}, older than {'.'.join(wanted)}")
    run(go, "build", "-o", f"{out}/", "./worker", "./producer", cwd=module)
    return Programs("go", [str(out / "worker")], [str(out / "producer")])


@pytest.fixture(scope="session")
def typescript_programs() -> Programs:
    node, npm, folder = needed("node"), needed("npm"), EXAMPLES / "typescript"
    version = run(node, "--version").strip()
    if int(version.lstrip("v").split(".")[0]) < OLDEST_NODE:
        missing("node", f"is {version}, older than v{OLDEST_NODE}")
    installed, lock = folder / "node_modules" / ".package-lock.json", folder / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        run(npm, "ci", cwd=folder)
    run(npm, "run", "build", cwd=folder)
    return Programs("typescript", [node, str(folder / "dist" / "worker.js")], [node, str(folder / "dist" / "producer.js")])


@pytest.fixture(params=["go", "typescript"])
def programs(request: pytest.FixtureRequest) -> Programs:
    """Each language's programs in turn."""
    found: Programs = request.getfixturevalue(f"{request.param}_programs")
    return found


StartWorker = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start_worker(broker: Broker, queue: str, tmp_path: Path) -> Iterator[StartWorker]:
    """Starts a worker of a language on the test's queue; it is killed at the test's end."""
    with ExitStack() as workers:

        def start(programs: Programs, *options: str) -> "subprocess.Popen[str]":
            return workers.enter_context(programs.work(broker, queue, tmp_path, *options))

        yield start


@pytest.fixture(scope="session")
def grpcurl() -> str:
    """The folder of a grpcurl: this machine's, or else one built into build/bin."""
    own = ROOT / "build" / "bin" / "grpcurl"
    found = str(own) if own.exists() else locate("grpcurl")
    if found is None:
        go = locate("go") or missing("grpcurl", "is not installed, nor is Go to build it")
        package = f"github.com/fullstorydev/grpcurl/cmd/grpcurl@{GRPCURL_VERSION}"
        run(go, "install", package, env={"GOBIN": str(own.parent), "GOFLAGS": "-buildvcs=false"})
        found = str(own)
    return str(Path(found).parent)
