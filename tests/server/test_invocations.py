import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import UNSET, Raw
from msgspec.json import Decoder

from hubline.errors import ConnectionClosed, HubError
from hubline.server.invocations import Cancellation, Uploads
from hubline.streams.upload import UploadStream
from hubline.wire.messages import Completion

read: Callable[[Raw], int] = Decoder(int).decode


def answer(invocation_id: str, result: Any = UNSET, error: Any = UNSET) -> Completion:
    return Completion(invocation_id=invocation_id, result=result, error=error)


async def test_a_cancellation_can_be_asked_and_waited_for() -> None:
    cancellation = Cancellation()
    assert not cancellation.requested
    waiting = asyncio.create_task(cancellation.wait())
    await asyncio.sleep(0)
    cancellation.request()
    cancellation.request()
    await waiting
    assert cancellation.requested


def upload() -> UploadStream[int]:
    return UploadStream(read, 1)


async def test_uploads_are_found_by_id_until_they_end() -> None:
    uploads, stream = Uploads(), upload()
    uploads.open("a", stream)
    assert "a" in uploads
    assert len(uploads) == 1
    assert uploads.item("a", Raw(b"1")) is None
    assert uploads.item("a", Raw(b"2")) is not None
    assert uploads.item("b", Raw(b"1")) is None
    assert uploads.complete(answer("a"))
    assert not uploads.complete(answer("a"))
    assert [item async for item in stream] == [1, 2]


async def test_an_upload_ends_with_the_error_of_the_client() -> None:
    uploads, stream = Uploads(), upload()
    uploads.open("a", stream)
    assert uploads.complete(answer("a", error="no more"))
    with pytest.raises(HubError, match="no more"):
        await anext(stream)


async def test_closing_an_upload_ignores_what_still_comes() -> None:
    uploads, stream = Uploads(), upload()
    uploads.open("a", stream)
    uploads.close("a")
    uploads.close("a")
    assert uploads.item("a", Raw(b"1")) is None
    assert [item async for item in stream] == []


async def test_all_uploads_fail_together() -> None:
    uploads, streams = Uploads(), [upload(), upload()]
    for number, stream in enumerate(streams):
        uploads.open(str(number), stream)
    uploads.fail_all(ConnectionClosed("gone"))
    for stream in streams:
        with pytest.raises(ConnectionClosed, match="gone"):
            await anext(stream)
    assert len(uploads) == 0
