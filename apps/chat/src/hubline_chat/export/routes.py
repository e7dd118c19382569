"""The download of a room."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response, StreamingResponse

from hubline import HubError
from hubline_chat.accounts.attempts import Attempts
from hubline_chat.accounts.errors import AccountError
from hubline_chat.accounts.requests import our_page, signed_in
from hubline_chat.answering import now
from hubline_chat.chat import Chat
from hubline_chat.contract import Message
from hubline_chat.export.formats import FORMATS, Exported, Format
from hubline_chat.room import Room
from hubline_chat.store import Session

router = APIRouter(prefix="/api/rooms", dependencies=[Depends(our_page)])

BURST, PER_HOUR = 10, 60
"""Exports of one person: each reads a whole room."""


def attempts_of(request: Request) -> Attempts:
    attempts: Attempts = request.app.state.exports
    return attempts


@router.get("/{room_id}/export")
async def export(
    request: Request,
    room_id: str,
    own: Annotated[Session, Depends(signed_in)],
    attempts: Annotated[Attempts, Depends(attempts_of)],
    format: Literal["json", "markdown"] = "json",
) -> Response:
    """All messages of a room that the person may read, without those that were deleted."""
    chat: Chat = request.app.state.chat
    room = _found(chat, room_id, own.user.id)
    attempts.take(own.user.id)
    name = " and ".join(sorted(each.name for each in room.members.values())) if room.is_pair else room.name
    exported = Exported(room.id, name, room.topic, own.user.name, now(), str(request.base_url).rstrip("/"))
    form = FORMATS[format](exported)
    pages = _pages(chat, room, own.user.id)
    try:
        first: list[Message] = await anext(pages, [])  # before the answer begins, so that a database that fails is told
    except HubError:
        _found(chat, room_id, own.user.id)  # the person may have been removed meanwhile
        raise
    headers = {
        "cache-control": "no-store",
        "content-disposition": f"attachment; filename*=utf-8''{quote(name, safe='')}.{form.suffix}",
        "content-type": form.media_type,
        "x-content-type-options": "nosniff",
    }
    return StreamingResponse(_written(form, first, pages), headers=headers)


def _found(chat: Chat, room_id: str, user_id: str) -> Room:
    try:
        return chat.rooms.find(room_id, user_id)
    except HubError as error:
        raise AccountError(404, "no-such-room", str(error)) from None


async def _written(
    form: Format, first: list[Message], pages: AsyncGenerator[list[Message], None]
) -> AsyncIterator[str]:
    yield form.begin()
    async with aclosing(pages):
        yield "".join(map(form.message, first))
        async for page in pages:
            yield "".join(map(form.message, page))
    yield form.end()


async def _pages(chat: Chat, room: Room, user_id: str) -> AsyncGenerator[list[Message], None]:
    """What was said until now. A download ends, incomplete, when the person may not read the room any more."""
    async for page in chat.past.whole(room):
        chat.rooms.find(room.id, user_id)
        yield [message for message in page if not message.is_deleted]
