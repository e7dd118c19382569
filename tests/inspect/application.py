"""A hub with each kind of method, to be tried and inspected."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Protocol

import msgspec
from starlette.applications import Starlette
from starlette.routing import Mount

from hubline import ConnectionScope, HubApp, Identity
from hubline.runs import Run, Runs, RunsHub


class Mood(Enum):
    GOOD = "good"
    BAD = "bad"


@dataclass
class Note:
    """A line that somebody wrote."""

    note_text: str
    is_done: bool = False


class NoteClient(Protocol):
    async def note_added(self, note: Note) -> None: ...

    async def confirm(self, question: str) -> bool: ...


runs = Runs()


async def endless(run: Run) -> None:
    await run.text("what nobody but its viewers may read")
    await asyncio.Event().wait()


class NoteHub(RunsHub[NoteClient], runs=runs):
    async def add_note(self, note: Note, mood: Mood, place: Annotated[int, msgspec.Meta(ge=0)] = 0) -> int:
        """Add a note. The result is its number."""
        await self.clients.all.note_added(note)
        return place + 1

    async def ask_me(self, question: str) -> str:
        return "yes" if await self.clients.caller.confirm(question) else "no"

    async def count(self, start: int) -> AsyncIterator[int]:
        """Numbers, until it is stopped."""
        while True:
            yield start
            start += 1
            await asyncio.sleep(0.02)

    async def total(self, numbers: AsyncIterator[int]) -> int:
        return sum([number async for number in numbers])

    async def join(self, group: str) -> None:
        await self.groups.add(self.context.connection_id, group)

    async def begin(self, room: str) -> str:
        return (await self.runs.start(endless, room=room)).id


async def identify(scope: ConnectionScope) -> Identity | None:
    """The token is the name of the user, and of its role."""
    token = scope.headers.get("authorization", "").removeprefix("Bearer ") or scope.query.get("access_token", "")
    if token == "broken":
        raise RuntimeError("the store of the users is away")
    return Identity(token, roles=frozenset({token})) if token and token != "wrong" else None


hubs = HubApp({"/notes": NoteHub}, authenticate=identify)
app = Starlette(routes=[Mount("/live", hubs)], lifespan=hubs.lifespan)
