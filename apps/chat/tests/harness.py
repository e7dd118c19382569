"""The real application with a scripted model, and people in it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from hubline.models import ChatModel, Message, ScriptedModel
from hubline.testing import InMemoryClient, connect, running
from hubline_chat.app import create_app
from hubline_chat.chat import Chat
from hubline_chat.settings import ChatSettings

JSON = dict[str, Any]
NOWHERE = Path("there-is-no-page-here")


class Gate:
    """Lets a scripted model go on one piece at a time."""

    def __init__(self) -> None:
        self._open = asyncio.Semaphore(0)

    async def __call__(self, index: int) -> None:
        await self._open.acquire()

    def let(self, pieces: int = 1) -> None:
        for _ in range(pieces):
            self._open.release()


NEWS = ("AssistantChanged", "PeopleChanged", "RoomsChanged", "TypingChanged")
"""Calls of which only the newest counts. They come when they come, so `expect_nothing` leaves them out."""


class Page:
    """A page of the chat: an in-memory client that has entered."""

    def __init__(self, client: InMemoryClient) -> None:
        self.client = client
        self.me: JSON = {}
        self._ids = 0
        self._news: dict[str, list[Any]] = {}
        self._changed = asyncio.Event()
        for target in NEWS:
            client.on(target, self._listener(target))

    async def enter(self, name: str, key: str) -> JSON:
        entered: JSON = await self.client.invoke("Enter", name, key)
        self.me = entered["me"]
        return entered

    async def news(self, target: str, fits: Callable[..., bool]) -> list[Any]:
        """Wait until the newest call of `target` has arguments that fit."""
        async with asyncio.timeout(5):
            while target not in self._news or not fits(*self._news[target]):
                self._changed.clear()
                await self._changed.wait()
        return self._news[target]

    async def names(self, *names: str) -> None:
        """Wait until exactly these people are in the room, as the page was told."""
        await self.news("PeopleChanged", lambda _, people: [each["name"] for each in people] == [*names, "Assistant"])

    def _listener(self, target: str) -> Callable[..., None]:
        def listen(*arguments: Any) -> None:
            self._news[target] = list(arguments)
            self._changed.set()

        return listen

    async def join(self, room: str = "general", since: int | None = None) -> JSON:
        joined: JSON = await self.client.invoke("JoinRoom", room, since)
        return joined

    async def say(self, text: str, room: str = "general", message_id: str | None = None) -> JSON:
        said: JSON = await self.client.invoke("SendMessage", room, message_id or self._new_id(), text)
        return said

    async def ask(self, prompt: str, room: str = "general") -> JSON:
        asked: JSON = await self.client.invoke("Ask", room, self._new_id(), prompt)
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

    async def delta(self) -> tuple[int, str]:
        _, _, offset, text = await self.client.expect("AnswerDelta")
        return offset, text

    async def ended(self) -> tuple[str, JSON]:
        """Text and answer of the next answer that ends."""
        _, _, text, answer = await self.client.expect("AnswerEnded")
        return text, dict(answer)

    async def status(self, state: str, place: int = 0) -> JSON:
        """Wait for an answer's status; others are passed over."""
        while True:
            _, _, answer = await self.client.expect("AnswerStatus")
            if (answer["state"], answer["place"]) == (state, place):
                return dict(answer)

    def _new_id(self) -> str:
        self._ids += 1
        return f"{self.me['id']}-{self._ids}"


class ChatUnderTest:
    """The running application. `enter` makes a page that stays until the end of the test."""

    def __init__(self, app: Any, chat: Chat, stack: AsyncExitStack) -> None:
        self.app, self.chat = app, chat
        self._stack = stack

    async def connect(self, **options: Any) -> InMemoryClient:
        return await self._stack.enter_async_context(connect(self.app, "/chatHub", **options))

    async def enter(self, name: str, *, key: str | None = None, room: str | None = "general", **options: Any) -> Page:
        client = await self.connect(**options)
        page = Page(client)
        await page.enter(name, key or f"secret-key-of-{name}")
        if room is not None:
            await page.join(room)
            assert (await page.hear())["author"]["kind"] == "system"
        return page


def settings(**changes: Any) -> ChatSettings:
    chosen: JSON = {"merge_seconds": 0.0, "web": NOWHERE} | changes
    return ChatSettings(**chosen)


@asynccontextmanager
async def chat(
    script: Sequence[Any] = ("Hello",), *, model: ChatModel | None = None, gate: Gate | None = None, **changes: Any
) -> AsyncIterator[ChatUnderTest]:
    """The application with a model that says `script`, or with `model`."""
    model = model or ScriptedModel(list(script), pace=gate)
    application = create_app(settings(**changes), model=model)
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(running(application, time_limit=10.0))
        yield ChatUnderTest(app, application.state.chat, stack)


def turns(model: ScriptedModel, index: int = -1) -> list[tuple[str, str]]:
    """What a scripted model was told."""
    seen: tuple[Message, ...] = model.seen[index]
    return [(message.role, message.content) for message in seen]
