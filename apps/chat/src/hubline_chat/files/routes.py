"""The routes under `/api/files`."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from hubline_chat.accounts.errors import AccountError
from hubline_chat.accounts.requests import our_page, signed_in
from hubline_chat.files.kinds import is_image, is_text
from hubline_chat.files.service import GONE, Files
from hubline_chat.files.storage import FileMissing
from hubline_chat.store import Session

router = APIRouter(prefix="/api/files", dependencies=[Depends(our_page)])

HEADERS = {
    "cache-control": "private, no-cache",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""Nothing in a file runs or loads anything, whatever it is; and each use asks whether it is still allowed."""

Own = Annotated[Session, Depends(signed_in)]


def files_of(request: Request) -> Files:
    files: Files = request.app.state.files
    return files


Service = Annotated[Files, Depends(files_of)]


@router.post("", status_code=201)
async def upload(request: Request, files: Service, own: Own, room: str, name: str) -> object:
    """The body is the file. `room`: the room of the message that it will be sent with."""
    declared = request.headers.get("content-length", "")
    size = int(declared) if declared.isdecimal() else None
    file = await files.upload(own.user, room, name, request.stream(), size)
    content = {"id": file.id, "name": file.name, "type": file.type, "size": file.size}
    content |= {"width": file.width, "height": file.height}
    return JSONResponse(content, 201, {"cache-control": "no-store"})


@router.api_route("/{file_id}/{name}", methods=["GET", "HEAD"])
async def download(request: Request, files: Service, own: Own, file_id: str, name: str) -> Response:
    """Images can be shown in the page; everything else is saved. `name` is only for people."""
    file, pieces = await files.open(file_id, own.user.id)
    place = "inline" if is_image(file.type) else "attachment"
    charset = "; charset=utf-8" if is_text(file.type) else ""
    headers = HEADERS | {
        "content-disposition": f"{place}; filename*=utf-8''{quote(file.name, safe='')}",
        "content-type": file.type + charset,
        "etag": f'"{file.id}"',
    }
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    headers["content-length"] = str(file.size)
    if request.method == "HEAD":
        return Response(headers=headers)
    try:
        first = await anext(pieces)
    except (FileMissing, StopAsyncIteration):
        raise AccountError(404, "no-such-file", GONE) from None
    except OSError:
        raise AccountError(503, "unavailable", "The file cannot be read at the moment.", retry_after=5) from None
    return StreamingResponse(_all(first, pieces), headers=headers)


@router.delete("/{file_id}", status_code=204)
async def discard(files: Service, own: Own, file_id: str) -> None:
    """Delete an upload of one's own that was not sent."""
    await files.discard(file_id, own.user.id)


async def _all(first: bytes, pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(pieces):
        yield first
        async for piece in pieces:
            yield piece
