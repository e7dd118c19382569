"""The real application with a scripted model, and people in it."""

import asyncio
import sqlite3
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
from argon2 import PasswordHasher
from sqlalchemy import event

from apps.chat.tests import prepared
from hubline.models import ChatModel, Message, ScriptedModel
from hubline.testing import InMemoryClient, connect, running
from hubline_chat.accounts.passwords import Passwords
from hubline_chat.accounts.service import Accounts
from hubline_chat.app import create_app
from hubline_chat.chat import Chat
from hubline_chat.contract import Role, TierName
from hubline_chat.settings import ChatSettings
from hubline_chat.store import Store

JSON = dict[str, Any]
NOWHERE = Path("there-is-no-page-here")
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""Hashes that cost nothing, for tests that are not about them."""


class Gate:
    """Lets a scripted model go on one piece at a time."""

    def __init__(self) -> None:
        self._open = asyncio.Semaphore(0)

    async def __call__(self, index: int) -> None:
        await self._open.acquire()

    def let(self, pieces: int = 1) -> None:
        for _ in range(pieces):
            self._open.release()


NEWS = ("AccountChanged", "AssistantChanged", "BudgetChanged", "RoomClosed", "RoomSignal", "RoomsChanged")
"""Calls of which only the newest counts. They come when they come, so `expect_nothing` leaves them out."""


class Page:
    """A page of the chat: an in-memory client that has entered."""

    def __init__(self, client: InMemoryClient) -> None:
        self.client = client
        self.me: JSON = {}
        self._ids = 0
        self._news: dict[str, list[Any]] = {}
        self.changes: list[tuple[str, str]] = []
        """Who has come, changed or left, in whatever room: kinds and names."""
        self._members: dict[str, dict[str, JSON]] = {}
        self._early: list[tuple[str, JSON]] | None = None
        """Changes of members that come while it joins a room."""
        self._changed = asyncio.Event()
        for target in NEWS:
            client.on(target, self._listener(target))
        client.on("RoomPresence", self._present)

    async def enter(self) -> JSON:
        entered: JSON = await self.client.invoke("Enter")
        self.me = entered["me"]
        return entered

    async def news(self, target: str, fits: Callable[..., bool]) -> list[Any]:
        """Wait until the newest call of `target` has arguments that fit."""
        await self._until(lambda: target in self._news and fits(*self._news[target]))
        return self._news[target]

    def heard(self, target: str) -> list[Any] | None:
        """The newest call of `target`, if there was one."""
        return self._news.get(target)

    async def names(self, *names: str, room: str = "general") -> None:
        """Wait until exactly these people are in the room, as the page was told."""
        await self.here(dict.fromkeys(names, 1), room, lambda member: 1)

    async def here(
        self,
        people: dict[str, int],
        room: str = "general",
        devices: Callable[[JSON], int] = lambda member: len({each["name"] for each in member["devices"]}),
    ) -> None:
        """Wait until exactly these people are in the room, each with so many devices."""
        found = self._members.setdefault(room, {})
        await self._until(lambda: {each["state"]["name"]: devices(each) for each in found.values()} == people)

    async def _until(self, fits: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not fits():
                self._changed.clear()
                await self._changed.wait()

    def _present(self, room: str, change: JSON) -> None:
        if self._early is not None:
            self._early.append((room, change))
            return
        members, member = self._members.setdefault(room, {}), change["member"]
        self.changes.append((change["kind"], member["state"]["name"]))
        if change["kind"] == "leave":
            del members[member["key"]]
        else:
            members[member["key"]] = member
        self._changed.set()

    def _listener(self, target: str) -> Callable[..., None]:
        def listen(*arguments: Any) -> None:
            self._news[target] = list(arguments)
            self._changed.set()

        return listen

    async def join(self, room: str = "general", since: int | None = None) -> JSON:
        """Open a room, and be there. Returns what `OpenRoom` answers."""
        opened: JSON = await self.client.invoke("OpenRoom", room, since)
        self._early = []
        joined: JSON = await self.client.invoke("JoinRoom", room)
        members = self._members.setdefault(room, {})
        members.clear()
        members.update((each["key"], each) for each in joined["members"])
        early, self._early = self._early, None
        for told in early:
            self._present(*told)
        return opened

    async def say(self, text: str, room: str = "general", message_id: str | None = None) -> JSON:
        said: JSON = await self.client.invoke("SendMessage", room, message_id or self._new_id(), text)
        return said

    async def ask(self, prompt: str, room: str = "general", model: str = "standard") -> JSON:
        asked: JSON = await self.client.invoke("Ask", room, self._new_id(), prompt, model)
        return asked

    async def hear(self) -> JSON:
        """The next message."""
        [message] = await self.client.expect("ReceiveMessage")
        return dict(message)

    async def answer(self) -> JSON:
        """The next message of the assistant: those of people before it are passed over."""
        while (message := await self.hear())["kind"] != "assistant":
            pass
        return message

    async def ended(self) -> tuple[str, JSON]:
        """Text and answer of the next answer that ends."""
        while True:
            [message] = await self.client.expect("MessageChanged")
            if message["answer"] is not None and message["answer"]["state"] != "running":
                return message["text"], dict(message["answer"])

    def watch(self, answer: JSON, after: Any = None) -> "Watched":
        """Attach to the run of an answer."""
        return Watched(self.client.stream("AttachRun", answer["answer"]["runId"], after))

    async def stop(self, answer: JSON) -> JSON:
        return dict(await self.client.invoke("StopRun", answer["answer"]["runId"]))

    def _new_id(self) -> str:
        self._ids += 1
        return f"{self.me['id']}-{self._ids}"


class Watched:
    """A run as a page watches it: the items that have come, and what they amount to."""

    def __init__(self, stream: AsyncGenerator[Any, None]) -> None:
        self.text = self.reasoning = ""
        self.items: list[JSON] = []
        self.position: Any = None
        self._stream = stream

    async def next(self, kind: str, **values: Any) -> JSON:
        """The next item of this kind with these values; others are passed over."""
        async for item in self._stream:
            self.items.append(item)
            self.position = item["position"] or self.position
            if item["kind"] == "text":
                self.text += item["text"]
            elif item["kind"] == "reasoning":
                self.reasoning += item["text"]
            if item["kind"] == kind and {name: item[name] for name in values} == values:
                return dict(item)
        raise AssertionError(f"there came no {kind} {values}, but {self.items}")

    async def said(self, text: str) -> None:
        """Wait until exactly this has been said."""
        while self.text != text:
            await self.next("text")

    async def end(self) -> JSON:
        """The end, as viewers are told it."""
        return await self.next("end")

    async def close(self) -> None:
        await self._stream.aclose()


class Browser:
    """Somebody's browser: it keeps the cookie, and asks for what the page asks for."""

    def __init__(self, app: Any, **options: Any) -> None:
        transport = httpx.ASGITransport(app, client=(options.pop("address", "127.0.0.1"), 50000))
        headers = {"content-type": "application/json", "origin": "http://testserver"} | options.pop("headers", {})
        self.http = httpx.AsyncClient(transport=transport, base_url="http://testserver", headers=headers, **options)

    async def post(self, path: str, **body: Any) -> httpx.Response:
        return await self.http.post(f"/api/{path}", json=body)

    async def user(self, path: str, **body: Any) -> JSON:
        """The user whom `sign-in`, `sign-up` or `guest` answers."""
        response = await self.post(path, **body)
        assert response.is_success, response.text
        return dict(response.json()["user"])

    async def token(self) -> str:
        response = await self.post("token")
        assert response.status_code == 200, response.text
        return str(response.json()["token"])


class OtherProgram:
    """Another program that writes to the chat's database in `data`. While it does, nobody waits for it for long.

    Nobody but then: on a busy machine, those of the chat who write wait for each other for longer.
    """

    def __init__(self, data: Path) -> None:
        self._data, self._milliseconds = data, 5_000

    def borrowed(self, connection: Any, *_: object) -> None:
        """The chat takes a connection from its pool, for one transaction."""
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {self._milliseconds}")
        cursor.close()

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        path = self._data / "hubline-chat.db"
        file = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
        try:
            self._milliseconds = 50
            await asyncio.to_thread(file.execute, "BEGIN IMMEDIATE")  # whoever writes now needs the event loop to end
            yield
        finally:
            self._milliseconds = 5_000
            file.close()


class ChatUnderTest:
    """The running application. `enter` makes a page that stays until the end of the test."""

    def __init__(self, app: Any, state: Any, stack: AsyncExitStack) -> None:
        """`state`: that of the FastAPI application, while `app` is what answers requests."""
        self.app = app
        self.chat: Chat = state.chat
        self.store: Store = state.store
        self.accounts: Accounts = state.accounts
        self._stack = stack
        self._browsers: dict[str, Browser] = {}

    def browser(self, **options: Any) -> Browser:
        return Browser(self.app, **options)

    async def guest(self, name: str) -> Browser:
        """The browser of the guest with this name, who comes in when it is asked for the first time."""
        if name not in self._browsers:
            browser = self.browser()
            await browser.user("guest", name=name)
            self._browsers[name] = browser
        return self._browsers[name]

    async def member(self, name: str, *, tier: TierName = "free", role: Role = "member") -> Browser:
        """The browser of somebody with an account, whose password is "secret of " and the name."""
        user = await self.store.users.add(name, role, tier, QUICK.hash(f"secret of {name}"))
        browser = self._browsers[name] = self.browser()
        assert (await browser.user("sign-in", name=name, password=f"secret of {name}"))["id"] == user.id
        return browser

    async def connect(self, browser: Browser, *, token: str | None = None, **options: Any) -> InMemoryClient:
        headers = {"authorization": f"Bearer {token or await browser.token()}"}
        return await self._stack.enter_async_context(connect(self.app, "/chatHub", headers=headers, **options))

    async def enter(self, name: str, *, room: str | None = "general", **options: Any) -> Page:
        """A page of this person: of a guest, unless somebody with this name has signed in."""
        page = Page(await self.connect(await self.guest(name), **options))
        await page.enter()
        is_new = page.me["id"] in self.chat.marks.newcomers
        if room is not None:
            await page.join(room)
            if is_new:
                assert (await page.hear())["author"]["kind"] == "system"
        return page


def settings(data: Path, **changes: Any) -> ChatSettings:
    chosen = {"merge_seconds": 0.0, "web": NOWHERE, "data": data, "guest_tokens": None, "guest_questions": 4}
    return ChatSettings(**(chosen | changes))


@asynccontextmanager
async def chat(
    script: Sequence[Any] = ("Hello",),
    *,
    model: ChatModel | None = None,
    premium_model: ChatModel | None = None,
    gate: Gate | None = None,
    replaced: bool = True,
    data: Path | None = None,
    grace: float = 0.0,
    other: OtherProgram | None = None,
    **changes: Any,
) -> AsyncIterator[ChatUnderTest]:
    """The application with a model that says `script`, or with `model`; if not `replaced`, with that of the settings.

    `data` outlives it, for the next one. `grace`: seconds until who was cut has left a room. `other` locks
    the database.
    """
    if replaced:
        model = model or ScriptedModel(list(script), pace=gate)
    async with AsyncExitStack() as stack:
        if data is None:
            data = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            prepared.sqlite(data / "hubline-chat.db")
        with (
            patch("hubline_chat.assistant.DRAIN_SECONDS", 0.0),  # what a test leaves behind need not come to its end
            patch("hubline_chat.chat.GRACE_SECONDS", grace),
        ):
            application = create_app(
                settings(data, **changes), model=model, premium_model=premium_model, passwords=Passwords(QUICK)
            )
        if other is not None:
            event.listen(application.state.store.database._engine.sync_engine, "checkout", other.borrowed)
        app = await stack.enter_async_context(running(application, time_limit=60.0))
        yield ChatUnderTest(app, application.state, stack)


def turns(model: ScriptedModel, index: int = -1) -> list[tuple[str, str]]:
    """What a scripted model was told."""
    seen: tuple[Message, ...] = model.seen[index]
    return [(message.role, message.content) for message in seen]
