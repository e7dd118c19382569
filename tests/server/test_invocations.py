import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import UNSET, Raw
from msgspec.json import Decoder

from hubline.errors import ConnectionClosed, HubError, RemoteProtocolError
from hubline.server.invocations import Cancellation, ClientResults, Uploads
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


async def test_ids_of_questions_count_up_and_begin_with_s() -> None:
    results = ClientResults()
    ids = [results.expect("c1", read, 10)[0] for _ in range(3)]
    assert ids == ["s1", "s2", "s3"]
    assert len(results) == 3


async def test_an_answer_settles_its_question_and_only_once() -> None:
    results = ClientResults()
    number, pending = results.expect("c1", read, 10)
    results.complete("c1", answer(number, Raw(b"5")))
    results.complete("c1", answer(number, Raw(b"6")))
    assert await pending.future == 5
    pending.complete(answer(number, Raw(b"7")))
    pending.fail(HubError("late"))
    assert pending.future.result() == 5
    assert len(results) == 0


@pytest.mark.parametrize(
    ("completion", "text"),
    [
        (answer("s1", error="will not"), "will not"),
        (answer("s1", error=""), ""),
        (answer("s1"), ""),
        (answer("s1", Raw(b'"x"')), "Error trying to deserialize result. Expected `int`, got `str`"),
    ],
)
async def test_answers_that_are_errors(completion: Completion, text: str) -> None:
    results = ClientResults()
    _, pending = results.expect("c1", read, 10)
    results.complete("c1", completion)
    with pytest.raises(HubError) as caught:
        await pending.future
    assert str(caught.value) == text


async def test_a_reader_of_the_user_that_breaks_is_an_error_of_the_question() -> None:
    def broken(raw: Raw) -> int:
        raise LookupError("secret detail")

    results = ClientResults()
    _, pending = results.expect("c1", broken, 10)
    results.complete("c1", answer("s1", Raw(b"1")))
    with pytest.raises(HubError, match="Error trying to deserialize result"):
        await pending.future


async def test_an_answer_of_another_connection_is_refused_and_the_question_stays_open() -> None:
    results = ClientResults()
    number, pending = results.expect("c1", read, 10)
    with pytest.raises(RemoteProtocolError, match=r"^Connection ID 'c2' is not valid for invocation ID 's1'\.$"):
        results.complete("c2", answer(number, Raw(b"5")))
    results.complete("c1", answer(number, Raw(b"6")))
    assert await pending.future == 6


async def test_unknown_and_forgotten_answers_are_ignored() -> None:
    results = ClientResults()
    number, _ = results.expect("c1", read, 10)
    results.forget(number)
    results.forget(number)
    results.complete("c2", answer(number, Raw(b"1")))
    results.complete("c2", answer("s99", Raw(b"1")))
    assert len(results) == 0
    assert results._asked == {}


async def test_questions_expire_at_their_deadline() -> None:
    results = ClientResults()
    _, early = results.expect("c1", read, 5)
    _, late = results.expect("c1", read, 6)
    _, elsewhere = results.expect("c2", read, 5)
    results.expire("c1", 4.9)
    assert not early.future.done()
    results.expire("c1", 5)
    with pytest.raises(HubError, match=r"^Invocation canceled by the server\.$"):
        await early.future
    assert not late.future.done()
    assert not elsewhere.future.done()
    results.expire("nobody", 100)


async def test_questions_fail_with_the_connection_they_were_asked_of() -> None:
    results = ClientResults()
    pending = [results.expect("c1", read, 5)[1] for _ in range(2)]
    results.expect("c2", read, 5)
    results.disconnected("c1")
    results.disconnected("c1")
    for each in pending:
        with pytest.raises(ConnectionClosed, match=r"^Connection 'c1' disconnected\.$"):
            await each.future
    assert len(results) == 1


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
