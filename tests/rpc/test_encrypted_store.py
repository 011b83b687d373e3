"""A store behind TLS: rediss://, with a certificate authority that the broker is told of."""

import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import trustme

from tests.support import BrokerProcess, StoreProcess, Stubs, parked, running, serve_until_exit


@asynccontextmanager
async def behind_tls(store: StoreProcess, authority: trustme.CA) -> AsyncIterator[str]:
    """HOST:PORT that leads to the store (the valkey-server at hand is built without TLS)."""

    async def pass_on(source: StreamReader, target: StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await source.read(65_536):
                target.write(chunk)
                await target.drain()
        target.close()

    async def serve(source: StreamReader, target: StreamWriter) -> None:
        from_store, to_store = await asyncio.open_unix_connection(store.socket)
        await asyncio.gather(pass_on(source, to_store), pass_on(from_store, target))

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield "127.0.0.1:{1}".format(*server.sockets[0].getsockname())


async def test_jobs_go_through_a_store_behind_tls(directory: Path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    with StoreProcess(directory / "store") as store:
        async with behind_tls(store, authority) as place:
            broker = BrokerProcess(directory, store=f"rediss://{place}?ssl_ca_certs={directory / 'ca.pem'}")
            await asyncio.to_thread(broker.start)
            async with Stubs(broker.address) as stubs, running(stubs.lease("q", wait=19)) as poll:
                await parked(stubs)
                added = await stubs.add("q")
                lease = await asyncio.wait_for(poll, 5.0)  # woken by a subscription, over TLS as well
                assert lease is not None
                assert lease.job.id == added.job_id
                await stubs.complete(lease)
            assert await asyncio.to_thread(broker.terminate) == 0


async def test_a_certificate_of_an_unknown_authority_is_one_line(directory: Path):
    with StoreProcess(directory / "store") as store:
        async with behind_tls(store, trustme.CA()) as place:
            ended = await asyncio.to_thread(serve_until_exit, "--listen", "127.0.0.1:0", "--store", f"rediss://{place}")
    assert ended.code != 0
    (line,) = ended.errors
    assert "certificate verify failed" in line
