from typing import Any

import pytest
from msgspec import UNSET, Raw

from hubline.errors import ConnectionClosed, HubError, RemoteProtocolError
from hubline.server.client_results import ClientResults, counted_ids, unique_id
from hubline.wire.json import JsonCodec
from hubline.wire.messages import Completion

JSON = JsonCodec()


def answer(invocation_id: str, result: Any = UNSET, error: Any = UNSET) -> Completion:
    return Completion(invocation_id=invocation_id, result=result, error=error)


async def test_ids_of_questions_count_up_and_begin_with_s() -> None:
    results = ClientResults(counted_ids())
    ids = [results.expect("c1", int, 10)[0] for _ in range(3)]
    assert ids == ["s1", "s2", "s3"]
    assert len(results) == 3


async def test_an_answer_settles_its_question_and_only_once() -> None:
    results = ClientResults(counted_ids())
    number, pending = results.expect("c1", int, 10)
    results.complete("c1", answer(number, Raw(b"5")), JSON)
    results.complete("c1", answer(number, Raw(b"6")), JSON)
    assert await pending.future == 5
    pending.complete(answer(number, Raw(b"7")), JSON)
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
    results = ClientResults(counted_ids())
    _, pending = results.expect("c1", int, 10)
    results.complete("c1", completion, JSON)
    with pytest.raises(HubError) as caught:
        await pending.future
    assert str(caught.value) == text


async def test_a_reader_of_the_user_that_breaks_is_an_error_of_the_question() -> None:
    class Broken(JsonCodec):
        def reader(self, kind: Any) -> Any:
            def broken(raw: Raw) -> int:
                raise LookupError("secret detail")

            return broken

    results = ClientResults(counted_ids())
    _, pending = results.expect("c1", int, 10)
    results.complete("c1", answer("s1", Raw(b"1")), Broken())
    with pytest.raises(HubError, match="Error trying to deserialize result"):
        await pending.future


async def test_an_answer_of_another_connection_is_refused_and_the_question_stays_open() -> None:
    results = ClientResults(counted_ids())
    number, pending = results.expect("c1", int, 10)
    with pytest.raises(RemoteProtocolError, match=r"^Connection ID 'c2' is not valid for invocation ID 's1'\.$"):
        results.complete("c2", answer(number, Raw(b"5")), JSON)
    results.complete("c1", answer(number, Raw(b"6")), JSON)
    assert await pending.future == 6


async def test_unknown_and_forgotten_answers_are_ignored() -> None:
    results = ClientResults(counted_ids())
    number, _ = results.expect("c1", int, 10)
    results.forget(number)
    results.forget(number)
    results.complete("c2", answer(number, Raw(b"1")), JSON)
    results.complete("c2", answer("s99", Raw(b"1")), JSON)
    assert len(results) == 0
    assert results._asked == {}


async def test_questions_expire_at_their_deadline() -> None:
    results = ClientResults(counted_ids())
    _, early = results.expect("c1", int, 5)
    _, late = results.expect("c1", int, 6)
    _, elsewhere = results.expect("c2", int, 5)
    results.expire("c1", 4.9)
    assert not early.future.done()
    results.expire("c1", 5)
    with pytest.raises(HubError, match=r"^Invocation canceled by the server\.$"):
        await early.future
    assert not late.future.done()
    assert not elsewhere.future.done()
    results.expire("nobody", 100)


async def test_questions_fail_with_the_connection_they_were_asked_of() -> None:
    results = ClientResults(counted_ids())
    pending = [results.expect("c1", int, 5)[1] for _ in range(2)]
    results.expect("c2", int, 5)
    results.disconnected("c1")
    results.disconnected("c1")
    for each in pending:
        with pytest.raises(ConnectionClosed, match=r"^Connection 'c1' disconnected\.$"):
            await each.future
    assert len(results) == 1


def test_ids_that_other_servers_see_are_those_of_the_original() -> None:
    ids = {unique_id() for _ in range(100)}
    assert len(ids) == 100
    assert {len(each) for each in ids} == {22}


async def test_another_server_may_answer_for_its_connections() -> None:
    results = ClientResults(counted_ids())
    answered, left = results.expect("c1", int, 10), results.expect("c2", int, 10)
    results.complete(None, answer(answered[0], Raw(b"5")), JSON)
    results.complete(None, answer(left[0], error="Connection disconnected."), JSON)
    assert await answered[1].future == 5
    with pytest.raises(ConnectionClosed, match=r"^Connection 'c2' disconnected\.$"):
        await left[1].future
