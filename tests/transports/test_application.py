"""Applications that go on though their connection has ended, in the task of the server or in one of ours."""

import asyncio
import logging
from contextlib import suppress

import pytest

from hubline.connection import TransportConnection
from hubline.errors import ConnectionClosed
from hubline.testing import settle
from tests.transports.conftest import Sites
from tests.transports.driver import Application, Site

WAYS = pytest.mark.parametrize("way", ["websocket", "events", "polling"])


async def opened(site: Site, way: str) -> asyncio.Task[None] | None:
    """Open a connection; the task of the request that carries it, if one does."""
    if way == "polling":
        await site.polling()
        return None
    request = site.socket() if way == "websocket" else site.events(await site.token())
    await settle()
    return request.task


async def closed(site: Site) -> None:
    """The end of a site whose applications do not notice theirs."""
    closing = asyncio.get_running_loop().create_task(site.registry.close())
    await site.clock.advance(5)
    await closing


def application(kind: str, ended: list[str]) -> Application:
    async def sleeps(connection: TransportConnection) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cleaned up")

    async def reads_on(connection: TransportConnection) -> None:
        while True:
            with suppress(ConnectionClosed):
                await connection.receive()

    async def swallows(connection: TransportConnection) -> None:
        try:
            while True:
                with suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()
        finally:
            ended.append("cleaned up")

    async def returns(connection: TransportConnection) -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    async def fails(connection: TransportConnection) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise LookupError("while it ended")

    return {"sleeps": sleeps, "reads_on": reads_on, "swallows": swallows, "returns": returns, "fails": fails}[kind]


@WAYS
@pytest.mark.parametrize("kind", ["sleeps", "reads_on", "swallows", "returns", "fails"])
async def test_it_is_named_and_ended_and_its_request_ends_well(
    sites: Sites, way: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    ended: list[str] = []
    site: Site = sites(application(kind, ended))
    request = await opened(site, way)
    await closed(site)
    assert len(site.registry) == 0
    if request is not None:
        assert request.done()
        assert not request.cancelled()
        assert (request.exception(), request.cancelling()) == (None, 0)
    texts = {record.levelno: record.getMessage() for record in caplog.records}
    assert f"{kind} > " in texts[logging.WARNING]
    assert "goes on though the connection has ended, and is cancelled" in texts[logging.WARNING]
    assert ("is abandoned" in texts.get(logging.ERROR, "")) is (kind == "swallows")
    assert ("the application failed" in texts.get(logging.ERROR, "")) is (kind == "fails")
    assert ended == (["cleaned up"] if kind in ("sleeps", "swallows") else [])


async def test_a_server_that_cancels_its_task_as_well_sees_it_cancelled(sites: Sites) -> None:
    site: Site = sites(application("sleeps", []))
    request = await opened(site, "websocket")
    assert request is not None
    (session,) = site.registry
    session.end()
    session.cancel_application()
    request.cancel()
    await asyncio.wait([request])
    assert request.cancelled()


async def test_what_ends_with_its_connection_is_not_named(sites: Sites, caplog: pytest.LogCaptureFixture) -> None:
    async def serve(connection: TransportConnection) -> None:
        await connection.receive()

    site: Site = sites(serve)
    for way in ("websocket", "events", "polling"):
        await opened(site, way)
    await closed(site)
    assert caplog.records == []
