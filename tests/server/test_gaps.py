"""What a hub is told when messages of other servers may have been lost."""

from contextlib import AsyncExitStack
from datetime import UTC, datetime

import pytest

from hubline import Hub, HubApp
from hubline.backplanes import BackplaneLink, BackplaneListener, MemoryBackplane
from hubline.server.yielding import STRIDE
from hubline.testing import connect, settle

SINCE, UNTIL = (datetime(2026, 11, 28, 12, minute, tzinfo=UTC) for minute in (0, 5))


class Breaking(MemoryBackplane):
    """Says that there was a gap when it is told to."""

    listener: BackplaneListener

    async def connect(self, listener: BackplaneListener) -> BackplaneLink:
        self.listener = listener
        return await super().connect(listener)


class Told(Hub):
    async def on_backplane_gap(self, since: datetime, until: datetime) -> None:
        if self.context.scope.query.get("fails"):
            raise RuntimeError("of no use")
        await self.clients.caller.send("Gap", since.isoformat(), until.isoformat())


class Plain(Hub): ...


async def gap(backplane: Breaking) -> None:
    backplane.listener.interrupted(SINCE, UNTIL)
    await settle()


async def test_each_connection_of_the_server_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    backplane = Breaking()
    app = HubApp({"/told": Told, "/plain": Plain}, backplane=backplane)
    async with AsyncExitStack() as stack:
        told = [await stack.enter_async_context(connect(app, "/told")) for _ in range(STRIDE + 2)]
        bob = await stack.enter_async_context(connect(app, "/told", query={"fails": "1"}))
        eve = await stack.enter_async_context(connect(app, "/plain"))
        for client in (*told, bob, eve):
            await client.fence()
        await gap(backplane)
        for client in told:
            assert await client.expect("Gap") == [SINCE.isoformat(), UNTIL.isoformat()]
        for client in (*told, bob, eve):
            await client.expect_nothing()
        assert f"connection {bob.connection_id}: on_backplane_gap failed" in caplog.text


async def test_clients_do_not_call_it() -> None:
    app = HubApp({"/told": Told}, backplane=Breaking())
    (hub,) = app.describe()
    assert list(hub.methods) == []
