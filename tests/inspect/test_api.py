"""Who may look, and what there is to see."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from hubline import ConfigurationError, HubApp, Identity
from hubline.inspect import Inspect
from hubline.inspect import snapshot as snapshots
from hubline.runs import Runs
from hubline.testing import connect, running, settle
from tests.inspect.application import NoteHub, endless, identify, runs

HOST = "http://service.test"


def hub_app() -> HubApp:
    return HubApp({"/notes": NoteHub}, authenticate=identify)


@asynccontextmanager
async def asking(**settings: Any) -> AsyncIterator[tuple[HubApp, httpx.AsyncClient]]:
    """A client of an application that has `Inspect` at `/admin/hubline`, with its hubs at `/live`."""
    hubs = hub_app()
    inspect = Inspect({"/live": hubs}, **({"allow": "admin"} | settings))
    admin = Starlette(routes=[Mount("/hubline", inspect)])
    app = Starlette(routes=[Mount("/admin", admin), Mount("/live", hubs)], lifespan=hubs.lifespan)
    async with running(app), httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HOST) as client:
        yield hubs, client


async def status(client: httpx.AsyncClient, token: str | None, path: str = "state") -> int:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return (await client.get(f"/admin/hubline/{path}", headers=headers)).status_code


async def asynchronously(identity: Identity) -> bool:
    return identity.user_id == "admin"


@pytest.mark.parametrize("allow", ["admin", lambda identity: identity.user_id == "admin", asynchronously])
@pytest.mark.parametrize("path", ["state", "contract"])
async def test_administrators_only(allow: str | Callable[[Identity], bool | Awaitable[bool]], path: str) -> None:
    async with asking(allow=allow, page=True) as (_, client):
        assert await status(client, "admin", path) == 200
        assert await status(client, None, path) == 401
        assert await status(client, "wrong", path) == 401
        assert await status(client, "reader", path) == 403
        assert await status(client, "broken", path) == 500


async def test_what_fails_in_the_check_refuses(caplog: pytest.LogCaptureFixture) -> None:
    def allow(identity: Identity) -> bool:
        raise RuntimeError("the store is away")

    async with asking(allow=allow) as (_, client):
        assert await status(client, "admin") == 500
    assert "Inspect.allow failed for the user 'admin'" in caplog.text


async def test_refusals_tell_what_to_do_and_nothing_of_the_server() -> None:
    async with asking() as (_, client):
        stranger = await client.get("/admin/hubline/state")
        assert stranger.headers["www-authenticate"] == "Bearer"
        wrong = await client.get("/admin/hubline/state", headers={"Authorization": "Bearer wrong"})
        assert wrong.headers["www-authenticate"] == 'Bearer error="invalid_token"'
        for answer in (stranger, wrong):
            assert "notes" not in answer.text
            assert answer.headers["cache-control"] == "no-store"
        posted = await client.post("/admin/hubline/state", headers={"Authorization": "Bearer admin"})
        assert (posted.status_code, posted.headers["allow"]) == (405, "GET, HEAD")
        headed = await client.head("/admin/hubline/state", headers={"Authorization": "Bearer admin"})
        assert (headed.status_code, headed.content) == (200, b"")


async def test_the_page_is_only_where_it_is_wanted_and_no_other_file_is() -> None:
    async with asking() as (_, client):
        assert await status(client, "admin", "") == 404
    async with asking(page=True) as (_, client):
        page = await client.get("/admin/hubline/")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "notes" not in page.text, "it has no data"
        assert await status(client, None, "page.js") == 200
        for other in ("../api.py", "api.py", "%2e%2e/api.py", "page", "page/index.html", "style"):
            assert await status(client, "admin", other) == 404


async def test_what_a_server_does() -> None:
    async with asking() as (hubs, client):
        async with (
            connect(hubs, "/notes", headers={"authorization": "Bearer ada"}) as ada,
            connect(hubs, "/notes", transport="long_polling") as stranger,
        ):
            await ada.invoke("Join", "readers")
            await stranger.invoke("Join", "readers")
            run = await ada.invoke("Begin", "kitchen")
            answer = await client.get("/admin/hubline/state", headers={"Authorization": "Bearer admin"})
            await runs.stop(run)
        state = answer.json()
    assert "what nobody but its viewers may read" not in answer.text
    (process,) = state["processes"]
    assert process["ready"] is True
    assert process["connections"] == 2
    assert process["receivedMessages"] == 3
    assert process["writtenMessages"] >= 5, "two handshakes, three results"
    (hub,) = state["hubs"]
    assert (hub["paths"], hub["connections"], hub["groups"], hub["users"]) == (["/live/notes"], 2, 1, 1)
    assert state["connections"]["count"] == 2
    by_user = {each["user"]: each for each in state["connections"]["listed"]}
    assert by_user["ada"]["transport"] == "WebSockets"
    assert by_user[None]["transport"] == "LongPolling"
    assert by_user["ada"]["hub"] == "/live/notes"
    assert by_user["ada"]["groups"] == ["readers"]
    assert by_user["ada"]["age"] >= 0
    assert state["groups"]["listed"] == [{"hub": hub["name"], "name": "readers", "connections": 2}]
    found = {each["id"]: each for each in state["runs"]["listed"]}[run]
    assert (found["state"], found["room"], found["starter"]) == ("running", "kitchen", "ada")
    assert "key" not in found


async def test_the_contract_with_the_paths_of_the_application() -> None:
    async with asking() as (_, client):
        found = (await client.get("/admin/hubline/contract", headers={"Authorization": "Bearer admin"})).json()
    assert found["root"] == ""
    assert [each["address"] for each in found["contract"]["channels"].values()] == ["/live/notes"]


async def test_of_many_the_longest_queues_are_listed_and_all_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "LISTED", 2)
    monkeypatch.setattr(snapshots, "STRIDE", 2)
    hubs = hub_app()
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(running(hubs))
        one, last, _ = [await stack.enter_async_context(connect(app, "/notes")) for _ in range(3)]
        for client, groups in ((one, "abc"), (last, "c")):
            for group in groups:
                await client.invoke("Join", group)
        state = await Inspect(hubs, allow="admin").state()
    assert state["connections"]["count"] == 3
    assert len(state["connections"]["listed"]) == 2
    assert state["groups"]["count"] == 3
    assert state["groups"]["listed"][0]["name"] == "c"


async def test_runs_that_no_class_has() -> None:
    others = Runs()
    run = await others.start(endless, room="elsewhere")
    await settle()
    state = await Inspect(hub_app(), allow="admin", runs=[others]).state()
    assert run.id in [each["id"] for each in state["runs"]["listed"]]
    await others.stop(run.id)


def process(pid: int, **more: Any) -> dict[str, Any]:
    backplane = {"ready": pid != 2, "lag": None if pid == 1 else 0.5, "gaps": pid}
    hubs = [{"name": "Chat", "paths": ["/chat"], "connections": pid}]
    group = {"hub": "Chat", "name": "g", "connections": pid}
    run = {"id": f"{pid}", "startedAt": f"2026-01-0{pid}"}
    return {
        "processes": [{"pid": pid}],
        "hubs": hubs,
        "backplane": backplane,
        "connections": {"count": pid, "listed": [{"id": f"{pid}", "queuedBytes": pid}]},
        "groups": {"count": 1, "listed": [group]},
        "runs": {"count": 1, "listed": [run]},
    }


def test_several_processes_are_one() -> None:
    found = snapshots.together([process(2), process(1)])
    assert [each["pid"] for each in found["processes"]] == [1, 2]
    assert found["hubs"] == [{"name": "Chat", "paths": ["/chat"], "connections": 3}]
    assert found["backplane"] == {"ready": False, "lag": 0.5, "gaps": 3}
    assert found["connections"]["count"] == 3
    assert [each["id"] for each in found["connections"]["listed"]] == ["2", "1"]
    assert found["groups"] == {"count": 1, "listed": [{"hub": "Chat", "name": "g", "connections": 3}]}
    assert [each["id"] for each in found["runs"]["listed"]] == ["2", "1"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"hubs": {}, "allow": "admin"}, "Inspect.hubs"),
        ({"hubs": NoteHub, "allow": "admin"}, "Inspect.hubs"),
        ({"hubs": {"live": hub_app()}, "allow": "admin"}, "the path 'live'"),
        ({"hubs": hub_app(), "allow": ""}, "Inspect.allow"),
        ({"hubs": hub_app(), "allow": None}, "Inspect.allow"),
        ({"hubs": hub_app(), "allow": "admin", "runs": [1]}, "Inspect.runs"),
        ({"hubs": hub_app(), "allow": "admin", "page": 1}, "Inspect.page"),
    ],
)
def test_mistakes(arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        Inspect(**arguments)


async def test_a_websocket_is_refused() -> None:
    sent: asyncio.Queue[Any] = asyncio.Queue()

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    await Inspect(hub_app(), allow="admin")({"type": "websocket", "path": "/"}, receive, sent.put)
    assert sent.get_nowait()["type"] == "websocket.close"
