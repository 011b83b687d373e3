"""Random histories against the model: after each step the store must hold exactly what the model holds.

`LEASEMQ_MODEL_EXAMPLES` sets the number of histories; a failure prints the shortest history that shows it.
"""

import asyncio
import os

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from leasemq_server.store.connect import connect

from tests.model.events import BLOCK_ENTRIES
from tests.model.history import History
from tests.model.views import Listener
from tests.store.harness import Desk

EXAMPLES = int(os.environ.get("LEASEMQ_MODEL_EXAMPLES", "100"))
STEPS = 60


def test_the_store_lives_as_the_model_does(valkey_url: str) -> None:
    listener = Listener(valkey_url)
    with asyncio.Runner() as runner:
        client, real = connect(valkey_url)
        desk = Desk(client, real=real)
        profile = settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            print_blob=True,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        )
        try:
            runner.run(client.config_set("stream-node-max-entries", BLOCK_ENTRIES))
            run_state_machine_as_test(lambda: History(runner, desk, listener), settings=profile)
        finally:
            runner.run(desk.store.close())
            listener.close()
