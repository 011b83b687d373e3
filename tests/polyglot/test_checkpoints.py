"""The commands of docs/batches-and-checkpoints.md, with grpcurl as the worker."""

from pathlib import Path

from tests.examples.pages import block, shell
from tests.polyglot.support import Broker


def test_the_next_lease_carries_what_a_heartbeat_stored(broker: Broker, grpcurl: str, tmp_path: Path) -> None:
    commands = block("batches-and-checkpoints.md", "sh", "Checkpoints").replace("localhost:7878", broker.address)
    ended = shell(f'PATH="{grpcurl}:$PATH"\n{commands}', broker.address, tmp_path)
    assert ended.stdout.strip() == '"checkpoint": "cGFnZSA3"', ended
