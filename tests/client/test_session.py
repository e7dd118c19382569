"""A client's session: literal bytes in JSON, the same in MessagePack, and random splits of random conversations."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, ValidationError

from hubline.client.events import (
    Called,
    CallFailed,
    Event,
    Handler,
    Item,
    Opened,
    Refused,
    Result,
    Unasked,
    Unfit,
    Upload,
    Write,
)
from hubline.client.session import NO_RESULT, UNREADABLE, ClientSession
from hubline.errors import ConnectionClosed, InvocationError, KeepAliveTimeout, RemoteProtocolError
from hubline.wire.codec import Codec
from hubline.wire.connection import Failed
from hubline.wire.json import JsonCodec
from hubline.wire.messages import Close, Completion, Invocation, Message, Ping, StreamItem
from hubline.wire.msgpack import MessagePackCodec

JSON, MESSAGEPACK = JsonCodec(), MessagePackCodec()
both_codecs = pytest.mark.parametrize("codec", [JSON, MESSAGEPACK], ids=["json", "messagepack"])


@dataclass
class Point:
    x: int
    y: int


def nothing() -> None:
    pass


def opened(codec: Codec = JSON, **settings: Any) -> ClientSession:
    session = ClientSession(codec, **settings)
    session.handshake()
    assert session.receive(b"{}\x1e", 0.0) == [Opened()]
    return session


def heard(session: ClientSession, *messages: Message) -> list[Event]:
    """What the session makes of these messages, in one piece."""
    return session.receive(b"".join(map(session.codec.encode, messages)), 0.0)


def test_the_handshake_is_json_and_opens_the_session() -> None:
    session = ClientSession(MESSAGEPACK)
    assert session.handshake() == b'{"protocol":"messagepack","version":1}\x1e'
    assert not session.is_open
    assert session.receive(b"{}", 0.0) == []
    assert session.receive(b"\x1e", 0.0) == [Opened()]
    assert session.is_open


def test_a_refused_handshake_tells_the_servers_text() -> None:
    session = ClientSession(JSON)
    assert session.receive(b'{"error":"no such protocol"}\x1e', 0.0) == [Refused("no such protocol")]
    with pytest.raises(ConnectionClosed):
        session.send("Log", ["x"])


def test_a_call_is_answered() -> None:
    session = opened()
    call, data = session.invoke("Add", [1, 2], result_type=int)
    assert data == b'{"type":1,"invocationId":"0","target":"Add","arguments":[1,2]}\x1e'
    assert session.receive(b'{"type":3,"invocationId":"0","result":3}\x1e', 0.0) == [Result(call, 3)]
    assert session.calls == {}


def test_a_call_without_an_answer_has_no_id_and_waits_for_nothing() -> None:
    session = opened()
    assert session.send("Log", ["x"]) == b'{"type":1,"target":"Log","arguments":["x"]}\x1e'
    assert session.calls == {}


@both_codecs
def test_a_result_is_read_as_its_type(codec: Codec) -> None:
    session = opened(codec)
    call, _ = session.invoke("Where", [], result_type=Point)
    assert heard(session, Completion(invocation_id=call.id, result=Point(1, 2))) == [Result(call, Point(1, 2))]


@both_codecs
def test_an_answer_that_does_not_have_the_type_is_an_error_of_that_call(codec: Codec) -> None:
    session = opened(codec)
    wrong, _ = session.invoke("Where", [], result_type=Point)
    right, _ = session.invoke("Add", [1, 2], result_type=int)
    failed, result = heard(
        session,
        Completion(invocation_id=wrong.id, result="nowhere"),
        Completion(invocation_id=right.id, result=3),
    )
    assert isinstance(failed, CallFailed)
    assert isinstance(failed.error, ValidationError)
    assert (failed.call, result) == (wrong, Result(right, 3))


def test_the_error_of_a_call_is_the_text_that_travelled() -> None:
    session = opened()
    call, _ = session.invoke("Fail", [])
    (failed,) = heard(session, Completion(invocation_id=call.id, error="not today"))
    assert isinstance(failed, CallFailed)
    assert isinstance(failed.error, InvocationError)
    assert (failed.call, failed.error.target, failed.error.message) == (call, "Fail", "not today")


@pytest.mark.parametrize("end", [Completion(invocation_id="0"), Completion(invocation_id="0", result=5)])
def test_a_stream_gives_its_items_and_ends(end: Completion) -> None:
    session = opened()
    call, data = session.stream("Count", [2], item_type=int)
    assert data == b'{"type":4,"invocationId":"0","target":"Count","arguments":[2]}\x1e'
    items = [StreamItem(invocation_id="0", item=value) for value in (0, 1)]
    assert heard(session, *items, end) == [Item(call, 0), Item(call, 1), Result(call, None)]


def test_what_comes_of_a_cancelled_stream_is_unasked() -> None:
    session = opened()
    call, _ = session.stream("Count", [2])
    assert session.cancel(call) == b'{"type":5,"invocationId":"0"}\x1e'
    (item, end) = heard(session, StreamItem(invocation_id="0", item=1), Completion(invocation_id="0"))
    assert isinstance(item, Unasked)
    assert isinstance(item.message, StreamItem)
    assert isinstance(end, Unasked)
    assert isinstance(end.message, Completion)


def test_an_item_that_does_not_have_the_type_ends_the_stream_on_both_sides() -> None:
    session = opened()
    call, _ = session.stream("Count", [2], item_type=int)
    failed, cancellation = heard(session, StreamItem(invocation_id="0", item="one"))
    assert isinstance(failed, CallFailed)
    assert failed.call is call
    assert cancellation == Write(b'{"type":5,"invocationId":"0"}\x1e')


def test_an_item_for_a_call_that_is_no_stream_is_an_error_of_that_call() -> None:
    session = opened()
    call, _ = session.invoke("Add", [1, 2])
    (failed,) = heard(session, StreamItem(invocation_id="0", item=1))
    assert isinstance(failed, CallFailed)
    assert "no stream" in str(failed.error)
    assert (failed.call, session.calls) == (call, {})


def test_uploads_are_taken_out_of_the_arguments() -> None:
    session = opened()
    left, right = Upload(), Upload()
    call, data = session.invoke("Sums", [left, "x", right])
    assert data == b'{"type":1,"invocationId":"2","target":"Sums","arguments":["x"],"streamIds":["0","1"]}\x1e'
    assert call.id == "2"
    assert session.upload_item(left, 5) == b'{"type":2,"invocationId":"0","item":5}\x1e'
    assert session.end_upload(left) == b'{"type":3,"invocationId":"0"}\x1e'
    assert session.end_upload(right, "broken") == b'{"type":3,"invocationId":"1","error":"broken"}\x1e'


def test_the_server_calls_a_handler_and_gets_its_result() -> None:
    session = opened(handlers={"Ask": Handler(nothing, tuple[int, Point])})
    call = Invocation(invocation_id="7", target="Ask", arguments=[1, Point(1, 2)])
    (called,) = heard(session, call)
    assert called == Called("Ask", [1, Point(1, 2)], session.handlers["Ask"], "7")
    assert isinstance(called, Called)
    assert session.answer(called, None) == b'{"type":3,"invocationId":"7","result":null}\x1e'
    assert session.fail(called, "no idea") == b'{"type":3,"invocationId":"7","error":"no idea"}\x1e'


def test_a_server_that_asks_what_no_handler_answers_is_told() -> None:
    session = opened()
    called, answer = heard(session, Invocation(invocation_id="7", target="Ask", arguments=[1]))
    assert called == Called("Ask", [1], None, "7")
    assert answer == Write(JSON.encode(Completion(invocation_id="7", error=NO_RESULT)))
    assert heard(session, Invocation(target="Tell", arguments=[])) == [Called("Tell", [], None, "")]


@both_codecs
@pytest.mark.parametrize("arguments", [[], ["one"], [1, 2]])
def test_arguments_that_do_not_fit_a_handler_are_told(codec: Codec, arguments: list[Any]) -> None:
    session = opened(codec, handlers={"Ask": Handler(nothing, tuple[int])})
    asked, told = (Invocation(invocation_id=id, target="Ask", arguments=arguments) for id in ("7", ""))
    unfit, answer, silent = heard(session, asked, told)
    assert isinstance(unfit, Unfit)
    assert isinstance(silent, Unfit)
    assert answer == Write(codec.encode(Completion(invocation_id="7", error=UNREADABLE)))


def test_a_handler_without_arguments_takes_none() -> None:
    session = opened(handlers={"Tell": Handler(nothing, tuple[()])})
    (called,) = heard(session, Invocation(target="Tell", arguments=[]))
    assert isinstance(called, Called)


def test_the_end_fails_every_call_that_waits() -> None:
    session = opened()
    calls = [session.invoke("Add", [1, 2])[0], session.stream("Count", [2])[0]]
    assert heard(session, Close(error="going away", allow_reconnect=True)) == [
        Close(error="going away", allow_reconnect=True)
    ]
    cause = OSError("gone")
    failures = session.end(cause)
    assert [each.call for each in failures] == calls
    for each in failures:
        assert isinstance(each.error, ConnectionClosed)
        assert each.error.allow_reconnect
        assert each.error.__cause__ is cause
    assert str(failures[0].error) == "the connection ended before Add was answered: gone"
    assert session.end() == []
    with pytest.raises(ConnectionClosed):
        session.invoke("Add", [1, 2])


def test_a_call_that_has_no_form_on_the_wire_waits_for_nothing() -> None:
    session = opened()
    with pytest.raises(TypeError):
        session.invoke("Add", [object()])
    assert session.calls == {}


def test_the_clients_good_bye_is_its_last_word() -> None:
    session = opened()
    assert session.close() == b'{"type":7}\x1e'
    assert not session.is_open
    with pytest.raises(ConnectionClosed):
        session.ping()
    assert opened().close("bored") == b'{"type":7,"error":"bored"}\x1e'


def test_after_good_bye_nothing_is_answered() -> None:
    session = opened()
    session.close()
    assert heard(session, Invocation(invocation_id="7", target="Ask", arguments=[])) == [Called("Ask", [], None, "7")]


def test_a_server_that_breaks_the_protocol_is_the_cause_of_what_fails() -> None:
    session = opened()
    session.invoke("Add", [1, 2])
    (failed,) = session.receive(b"nonsense\x1e", 0.0)
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, RemoteProtocolError)
    (left,) = session.end()
    assert left.error.__cause__ is failed.error


def test_time_brings_pings_and_finds_a_silent_server() -> None:
    session = opened(keep_alive_interval=10.0, server_timeout=30.0)
    assert session.tick(9.0) == []
    assert session.tick(10.0) == [Write(b'{"type":6}\x1e', counted=False)]
    session.send("Log", [], now=15.0)
    assert session.tick(20.0) == []
    assert session.receive(b'{"type":6}\x1e', 21.0) == []
    assert session.tick(50.0) == [Write(b'{"type":6}\x1e', counted=False)]
    (failed,) = session.tick(51.0)
    assert isinstance(failed, Failed)
    assert isinstance(failed.error.__cause__, KeepAliveTimeout)
    assert str(failed.error) == "the server sent nothing for 30 s"


values = st.none() | st.integers(-(2**31), 2**31) | st.text(max_size=5) | st.lists(st.booleans(), max_size=2)
ids = st.sampled_from(["0", "1", "2", "3", "x"])
said = st.lists(
    st.one_of(
        st.builds(Invocation, invocation_id=st.sampled_from(["", "9"]), target=st.sampled_from(["Ask", "Tell"]),
                  arguments=st.lists(values, max_size=2)),
        st.builds(StreamItem, invocation_id=ids, item=values),
        st.builds(Completion, invocation_id=ids, result=st.just(UNSET) | values),
        st.builds(Completion, invocation_id=ids, error=st.text(max_size=5)),
        st.builds(Ping),
        st.builds(Close, allow_reconnect=st.booleans()),
    ),
    max_size=12,
)  # fmt: skip


def conversation(codec: Codec, pieces: Sequence[bytes]) -> tuple[list[str], bool]:
    """What a session with two calls, two streams and a handler makes of these pieces, the end of it included."""
    session = ClientSession(codec, {"Ask": Handler(nothing, tuple[int, str])})
    events = [*session.receive(b"{}\x1e", 0.0)]
    begin: list[Callable[..., Any]] = [session.invoke, session.stream]
    for start in begin:
        for _ in range(2):
            start("T", [])
    for piece in pieces:
        events += session.receive(piece, 0.0)
    waiting = len(session.calls)
    ended = session.end()
    assert len(ended) == waiting
    # A good-bye in the same piece as a question leaves no time for the answer.
    return [_told(event) for event in [*events, *ended] if not isinstance(event, Write)], session.is_open


def _told(event: Event) -> str:
    """An event, so that those of two sessions can be compared."""
    match event:
        case Item() | Result():
            return f"{type(event).__name__} {event.call.id} {event.value!r}"
        case CallFailed():
            return f"CallFailed {event.call.id} {event.error}"
        case Unasked():
            return f"Unasked {type(event.message).__name__} {event.message.invocation_id}"
        case Unfit():
            return f"Unfit {event.target} {event.error}"
        case Failed():
            return f"Failed {event.error}"
    return repr(event)


@given(st.sampled_from([JSON, MESSAGEPACK]), said, st.data())
def test_the_events_are_the_same_wherever_the_bytes_are_cut(
    codec: Codec, messages: list[Message], data: st.DataObject
) -> None:
    stream = b"".join(map(codec.encode, messages))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    whole = [codec.encode(message) for message in messages]
    assert conversation(codec, pieces) == conversation(codec, whole)


@given(st.sampled_from([JSON, MESSAGEPACK]), said)
def test_every_call_ends_once(codec: Codec, messages: list[Message]) -> None:
    told, _ = conversation(codec, list(map(codec.encode, messages)))
    ends = [text.split()[1] for text in told if text.startswith(("Result", "CallFailed"))]
    assert sorted(ends) == ["0", "1", "2", "3"]
    for id in ends:
        last = max(place for place, text in enumerate(told) if text.split()[:2] in (["Result", id], ["CallFailed", id]))
        assert not any(text.startswith(f"Item {id} ") for text in told[last:])


@given(st.sampled_from([JSON, MESSAGEPACK]), st.lists(st.binary(max_size=40), max_size=4))
def test_random_bytes_raise_nothing(codec: Codec, pieces: list[bytes]) -> None:
    told, is_open = conversation(codec, pieces)
    assert len([text for text in told if text.startswith("CallFailed")]) == 4 or "Result" in " ".join(told)
    assert not is_open
