import asyncio
import contextlib
from typing import Any

import pytest
from msgspec import Raw, ValidationError
from msgspec.json import Decoder

from hubline.errors import HubError
from hubline.streams.upload import UploadStream

read_int = Decoder(int).decode


def stream(capacity: int = 2, *, detailed: bool = False) -> UploadStream[int]:
    return UploadStream(read_int, capacity, detailed=detailed)


def feed(upload: UploadStream[int], *items: int) -> asyncio.Future[None] | None:
    room = None
    for item in items:
        room = upload.feed(Raw(str(item).encode()))
    return room


async def collect(upload: UploadStream[int]) -> list[int]:
    return [item async for item in upload]


@pytest.mark.statement(130)
async def test_items_come_in_order_and_end_with_the_stream() -> None:
    upload = stream()
    assert feed(upload, 1, 2) is None
    upload.finish()
    assert await collect(upload) == [1, 2]
    assert await collect(upload) == []


async def test_a_reader_waits_for_items_and_for_the_end() -> None:
    upload = stream()
    reader = asyncio.create_task(collect(upload))
    await asyncio.sleep(0)
    feed(upload, 1)
    await asyncio.sleep(0)
    feed(upload, 2)
    await asyncio.sleep(0)
    upload.finish()
    assert await reader == [1, 2]


@pytest.mark.statement(136)
async def test_the_item_that_does_not_fit_gives_a_future_that_is_done_when_one_was_taken() -> None:
    upload = stream(capacity=2)
    room = feed(upload, 1, 2, 3)
    assert room is not None
    assert not room.done()
    assert await anext(upload) == 1
    assert room.done()
    assert await anext(upload) == 2


async def test_what_comes_in_spite_of_a_full_buffer_is_kept_and_room_is_made_only_below_the_limit() -> None:
    upload = stream(capacity=2)
    room = feed(upload, 1, 2, 3, 4)
    assert room is not None
    assert await anext(upload) == 1
    assert not room.done()
    assert await anext(upload) == 2
    assert room.done()


@pytest.mark.statement(131)
async def test_an_error_is_raised_behind_the_items_and_once() -> None:
    upload = stream()
    feed(upload, 1)
    upload.finish(HubError("no more"))
    assert await anext(upload) == 1
    with pytest.raises(HubError, match="no more"):
        await anext(upload)
    with pytest.raises(StopAsyncIteration):
        await anext(upload)


async def test_the_first_end_counts_and_items_after_it_are_ignored() -> None:
    upload = stream()
    upload.finish()
    upload.finish(HubError("late"))
    assert feed(upload, 1, 2, 3, 4) is None
    assert await collect(upload) == []


async def test_finishing_and_closing_let_a_paused_connection_read_on() -> None:
    for end in (UploadStream.finish, UploadStream.close):
        upload = stream(capacity=1)
        room = feed(upload, 1, 2)
        assert room is not None
        end(upload)
        assert room.done()
        end(upload)


async def test_closing_ends_a_waiting_reader_and_drops_everything() -> None:
    upload = stream()
    reader = asyncio.create_task(collect(upload))
    await asyncio.sleep(0)
    upload.close()
    feed(upload, 1)
    assert await reader == []


@pytest.mark.statement(135)
@pytest.mark.parametrize(
    ("detailed", "text"),
    [(False, "Failed to bind Stream message."), (True, "Failed to bind Stream message. Expected `int`, got `str`")],
)
async def test_an_item_of_the_wrong_type_ends_the_stream_with_an_error_for_the_method(
    detailed: bool, text: str
) -> None:
    upload = stream(detailed=detailed)
    feed(upload, 1)
    assert upload.feed(Raw(b'"x"')) is None
    feed(upload, 2)
    assert await anext(upload) == 1
    with pytest.raises(HubError) as caught:
        await anext(upload)
    assert str(caught.value) == text
    assert isinstance(caught.value.__cause__, ValidationError)


async def test_a_validator_of_the_user_that_breaks_ends_the_stream_too() -> None:
    def read(raw: Raw) -> Any:
        raise LookupError("secret detail")

    upload: UploadStream[Any] = UploadStream(read, 2)
    assert upload.feed(Raw(b"1")) is None
    with pytest.raises(HubError, match=r"^Failed to bind Stream message\.$"):
        await anext(upload)


async def test_a_reader_that_was_cancelled_leaves_the_stream_usable() -> None:
    upload = stream()
    reader = asyncio.create_task(collect(upload))
    await asyncio.sleep(0)
    reader.cancel()
    await asyncio.wait([reader])
    feed(upload, 1)
    upload.finish()
    assert await collect(upload) == [1]


@pytest.mark.parametrize("end", ["finished", "failed", "closed"])
async def test_reading_on_after_the_end_gives_others_a_turn(end: str) -> None:
    upload, go_on = stream(), [True]
    if end == "closed":
        upload.close()
    else:
        upload.finish(HubError("no more") if end == "failed" else None)

    async def read_on() -> None:
        while go_on:
            with contextlib.suppress(HubError):
                await collect(upload)

    reading = asyncio.create_task(read_on())
    await asyncio.sleep(0)
    go_on.clear()
    await reading
