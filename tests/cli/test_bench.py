"""How a measurement ends that is stopped half-way."""

import asyncio

import pytest
from leasemq import Client, Unavailable
from leasemq.admin import Admin
from leasemq_server.cli.bench import _bench


@pytest.fixture
async def measuring(address, monkeypatch):
    """A measurement that is about to add its first job."""
    adds = asyncio.Event()

    async def never(*_arguments):
        adds.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Client, "add_many", never)
    async with Client(address) as client:
        task = asyncio.create_task(_bench(client, 10, 1, as_json=False))
        await adds.wait()
        yield task


async def test_ctrl_c_before_the_first_job_is_an_interruption(measuring):
    measuring.cancel()  # as Ctrl-C does
    with pytest.raises(asyncio.CancelledError):
        await measuring


async def test_a_queue_that_can_not_be_deleted_is_named_and_hides_no_other_end(measuring, monkeypatch, capfd):
    async def away(*_arguments, **_options):
        raise Unavailable("the broker is away")

    monkeypatch.setattr(Admin, "delete_queue", away)
    measuring.cancel()  # as Ctrl-C does
    with pytest.raises(asyncio.CancelledError):
        await measuring
    assert "is left (the broker is away) — delete it with: leasemq queues delete bench-" in capfd.readouterr().err
