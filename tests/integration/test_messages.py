"""Hub messages as the wire allows and forbids them, on every transport and in both codecs."""

import pytest

from tests.integration.driver import Connector, call, cancel, done, item, ours_only, received, stream
from tests.integration.wire_form import RS, Message, encode, var_int

CLOSED = {"type": 7, "error": "Connection closed with an error.", "allowReconnect": True}
LIMIT = 32 * 1024


async def answers(connect: Connector, json: str, messagepack: bytes) -> list[Message]:
    """What follows a message that is written by hand, up to the answer of a call behind it."""
    peer = await connect()
    data = framed(peer.way.codec, json, messagepack)
    await peer.write(data + encode(peer.way.codec, call("after", "Add", 1, 2)))
    found: list[Message] = []
    while found[-1:] not in ([done("after", result=3)], [CLOSED]):
        found.append(await peer.receive())
    if found[-1] == CLOSED:
        assert await peer.rest() == []
    return found


def framed(codec: str, json: str, messagepack: bytes) -> bytes:
    return json.encode() + RS if codec == "json" else var_int(len(messagepack)) + messagepack


async def is_read(connect: Connector, json: str, messagepack: bytes, *wanted: Message) -> None:
    assert await answers(connect, json, messagepack) == [*wanted, done("after", result=3)]


async def is_refused(connect: Connector, json: str, messagepack: bytes) -> None:
    """The connection is closed, with permission to come back."""
    assert await answers(connect, json, messagepack) == [CLOSED]


SUM = done("1", result=3)


@pytest.mark.statement(88)
async def test_a_call_without_id_is_never_answered(connect: Connector) -> None:
    peer = await connect()
    calls: list[tuple[str, list[int]]] = [
        ("Nothing", []),
        ("NoSuchMethod", []),
        ("Add", [1]),
        ("Throw", []),
        ("Count", [1, 0]),
        ("NeedsUser", []),
    ]
    for target, arguments in calls:
        await peer.send(call(None, target, *arguments))
    assert await peer.is_alive()


@pytest.mark.statement(89)
async def test_an_empty_id_is_no_id(connect: Connector) -> None:
    messagepack = b"\x96\x01\x80\xa0\xa3Add\x92\x01\x02\x90"
    await is_read(connect, '{"type":1,"invocationId":"","target":"Add","arguments":[1,2]}', messagepack)


@pytest.mark.statement(89)
async def test_null_as_id_closes_in_json_and_is_no_id_in_messagepack(connect: Connector) -> None:
    json, messagepack = (
        '{"type":1,"invocationId":null,"target":"Add","arguments":[1,2]}',
        b"\x96\x01\x80\xc0\xa3Add\x92\x01\x02\x90",
    )
    if connect.way.codec == "json":
        await is_refused(connect, json, messagepack)
    else:
        await is_read(connect, json, messagepack)


@pytest.mark.statement(90, 91, 97)
async def test_properties_in_any_order_and_number(connect: Connector) -> None:
    forms = [
        '{"arguments":[1,2],"target":"Add","invocationId":"1","type":1}',
        '{"type":1,"more":{"a":[1,"}"]},"invocationId":"1","target":"Add","arguments":[1,2],"less":null}',
        ' { "type" : 1 , "invocationId" : "1" , "target" : "Add" , "arguments" : [ 1 , 2 ] } ',
        '{"type":1,"headers":{"a":"b","c":""},"invocationId":"1","target":"Add","arguments":[1,2]}',
        '{"type":1,"invocationId":"1","target":"\\u0041dd","arguments":[1,2]}',
    ]
    messagepack = b"\x98\x01\x81\xa1a\xa1b\xa11\xa3Add\x92\x01\x02\x90\xa1x\x05"
    peer = await connect()
    for json in forms:
        await peer.write(framed(peer.way.codec, json, messagepack))
        assert await peer.receive() == SUM


@pytest.mark.statement(92)
@ours_only("the original never consumes such a message, and hangs")
async def test_an_unknown_type_is_ignored(connect: Connector) -> None:
    peer = await connect()
    for kind in (10, 42, 127):
        await peer.write(framed(peer.way.codec, f'{{"type":{kind},"x":[1]}}', bytes([0x92, kind, 0x01])))
    for text, packed in (
        ("-1", b"\xff"),
        ("2147483648", b"\xce\x80\x00\x00\x00"),
        ("-99999999999999999999999", b"\xd3\x80" + bytes(7)),
        ("9" * 5_000, b"\xcf" + b"\xff" * 8),
    ):
        await peer.write(framed(peer.way.codec, f'{{"type":{text}}}', b"\x91" + packed))
    assert await peer.is_alive()


LAST_MOMENT = b"\xc7\x0c\xff\x3b\x9a\xc9\x9c\x00\x00\x00\x3a\xff\xf4\x41\x7f"
FIRST_MOMENT = b"\xc7\x0c\xff\x00\x00\x00\x00\xff\xff\xff\xf1\x88\x6e\x09\x00"
NEW_YEAR = b"\xd6\xff\x65\x92\x00\x80"


@pytest.mark.parametrize(
    ("text", "timestamp"),
    [
        ("9999-12-31T23:59:59.9999999Z", LAST_MOMENT),
        ("9999-12-31T23:59:59.9999999", LAST_MOMENT),
        ("0001-01-01T00:00:00", FIRST_MOMENT),
        ("2024-01-01", NEW_YEAR),
        ("2024-01-01T00:00", NEW_YEAR),
    ],
)
async def test_dates_at_the_edges_and_of_a_page_come_back(connect: Connector, text: str, timestamp: bytes) -> None:
    json = f'{{"type":1,"invocationId":"1","target":"EchoDate","arguments":["{text}"]}}'
    echoed, _ = await answers(connect, json, b"\x96\x01\x80\xa11\xa8EchoDate\x91" + timestamp + b"\x90")
    assert "error" not in echoed
    assert str(echoed["result"])[:10] == text[:10]


@pytest.mark.statement(93, 94)
@pytest.mark.parametrize(
    ("json", "messagepack"),
    [
        ('{"invocationId":"1","target":"Add","arguments":[1,2]}', b"\x90"),
        ('{"type":1,"invocationId":"1","target":"Add"}', b"\x93\x01\x80\xa11"),
        ('{"type":1,"invocationId":"1","arguments":[1,2]}', b"\x96\x01\x80\xa11\xc0\x92\x01\x02\x90"),
        ('{"type":4,"target":"Count","arguments":[1,0]}', b"\x96\x04\x80\xc0\xa5Count\x92\x01\x00\x90"),
        ('{"type":2,"item":1}', b"\x94\x02\x80\xc0\x01"),
        ('{"type":3}', b"\x94\x03\x80\xc0\x02"),
        ('{"type":5}', b"\x93\x05\x80\xc0"),
        ('{"type":1', b"\x96\x01\x80"),
        ("[1]", b"\x81\x01\x02"),
        ("", b""),
        ("\x00", b"\xc1"),
        ('{"type":"1","target":"Add","arguments":[]}', b"\x92\xa11\x80"),
    ],
    ids=["type", "arguments", "target", "stream id", "item id", "completion id", "cancel id", "cut off",
         "another form", "nothing", "no value", "type as text"],
)  # fmt: skip
async def test_what_is_missing_closes_the_connection(connect: Connector, json: str, messagepack: bytes) -> None:
    await is_refused(connect, json, messagepack)


@pytest.mark.statement(94, 111)
async def test_an_empty_target_is_unknown_in_json_and_missing_in_messagepack(connect: Connector) -> None:
    json, messagepack = '{"type":1,"invocationId":"1","target":"","arguments":[]}', b"\x96\x01\x80\xa11\xa0\x90\x90"
    text = "Failed to invoke '' due to an error on the server. HubException: Method does not exist."
    if connect.way.codec == "json":
        await is_read(connect, json, messagepack, done("1", error=text))
    else:
        await is_refused(connect, json, messagepack)


@pytest.mark.statement(95)
async def test_a_completion_with_error_and_result_closes(connect: Connector) -> None:
    await is_refused(connect, '{"type":3,"invocationId":"1","error":"x","result":null}', b"\x95\x03\x80\xa11\x04\x01")


@pytest.mark.statement(96)
async def test_headers_that_are_no_strings_close(connect: Connector) -> None:
    json = '{"type":1,"headers":{"a":1},"invocationId":"1","target":"Add","arguments":[1,2]}'
    await is_refused(connect, json, b"\x96\x01\x81\xa1a\x01\xa11\xa3Add\x92\x01\x02\x90")


@pytest.mark.statement(98)
async def test_an_invocation_of_five_items(connect: Connector) -> None:
    json = '{"type":1,"invocationId":"1","target":"Add","arguments":[1,2]}'
    await is_read(connect, json, b"\x95\x01\x80\xa11\xa3Add\x92\x01\x02", SUM)


@pytest.mark.statement(99, 146)
async def test_a_close_of_the_client_is_answered_by_one(connect: Connector) -> None:
    peer = await connect()
    await peer.write(framed(peer.way.codec, '{"type":7}', b"\x92\x07\xc0"))
    assert await peer.rest() == [{"type": 7}]


@pytest.mark.statement(103)
async def test_acknowledgements_are_ignored_where_nothing_is_stateful(connect: Connector) -> None:
    peer = await connect()
    await peer.send({"type": 8, "sequenceId": 1}, {"type": 9, "sequenceId": 7}, {"type": 8, "sequenceId": 99})
    assert await peer.is_alive()


@pytest.mark.statement(104)
async def test_a_message_of_exactly_the_limit_passes(connect: Connector) -> None:
    peer = await connect()
    text = "x" * (LIMIT - len(encode(peer.way.codec, call("c1", "EchoText", "x" * 30_000))) + 30_000)
    assert len(encode(peer.way.codec, call("c1", "EchoText", text))) == LIMIT
    assert await peer.result("EchoText", text) == text
    await peer.send(call("c2", "EchoText", text + "x"))
    assert await peer.rest() == [CLOSED]


@pytest.mark.statement(105)
async def test_what_stands_before_a_message_that_is_too_long_is_answered(connect: Connector) -> None:
    peer = await connect()
    await peer.send(call("1", "Add", 1, 1), call("2", "Add", 2, 2), call("3", "EchoText", "x" * LIMIT))
    found = await peer.rest()
    assert found[-1] == CLOSED
    assert found[:-1] == [done("1", result=2), done("2", result=4)]


@pytest.mark.statement(109)
async def test_integers_of_any_width(connect: Connector) -> None:
    peer = await connect()
    json = '{"type":1,"invocationId":"1","target":"Add","arguments":[1,2]}'
    for one in (
        b"\x01",
        b"\xcc\x01",
        b"\xcd\x00\x01",
        b"\xce\x00\x00\x00\x01",
        b"\xd0\x01",
        b"\xd3" + bytes(7) + b"\x01",
    ):
        messagepack = b"\x96" + one + b"\x80\xa11\xa3Add\x92" + one + b"\x02\x90"
        await peer.write(framed(peer.way.codec, json, messagepack))
        assert await peer.receive() == SUM


@pytest.mark.statement(126, 134)
async def test_what_belongs_to_nothing_is_ignored(connect: Connector) -> None:
    peer = await connect()
    await peer.send(cancel("nothing"), item("nothing", 1), done("nothing", result=1), done("nothing", error="x"))
    assert await peer.is_alive()


@pytest.mark.statement(101)
async def test_a_ping_is_not_answered(connect: Connector) -> None:
    peer = await connect()
    await peer.write(framed(peer.way.codec, '{"type":6}', b"\x91\x06"))
    assert await peer.is_alive()


@pytest.mark.statement(108)
async def test_text_beyond_ascii(connect: Connector) -> None:
    peer = await connect()
    for text in ("ü <tag> & 'quoted'", "\u2028\u2029", "😀", "\x00\x1f\x7f", "\ufeff", "\ud7ff\ue000\uffff"):
        assert await peer.result("EchoText", text) == text


async def test_messages_of_all_kinds_in_one_payload(connect: Connector) -> None:
    peer = await connect()
    await peer.send({"type": 6}, call(None, "ToCaller", "hi"), call("1", "Add", 1, 2), stream("2", "Count", 1, 0))
    found = await peer.receive_many(4)
    assert found[0] == received("caller", "hi")
    assert sorted(map(str, found[1:])) == sorted(map(str, [SUM, item("2", 0), done("2")]))


@pytest.mark.parametrize(
    ("json", "messagepack"),
    [
        ("[" * 5_000, b"\x91" * 5_000),
        ('{"type":1,"invocationId":"1","target":"Echo","arguments":[' + "[" * 5_000 + "]" * 5_000 + "]}", b"\xc1" * 3),
        ('{"type":1e999}', b"\x96\x01\x80\xa11\xa3Add\xdd\xff\xff\xff\xff"),
        ('{"type":99999999999999999999999}', b"\x92\xcf" + b"\xff" * 8 + b"\x01"),
        ('{"type":1,"target":"\\ud800","arguments":[]}', b"\x96\x01\x80\xa11\xdb\xff\xff\xff\xff"),
    ],
    ids=["nesting", "nested arguments", "length of an array", "number", "length of a text"],
)  # fmt: skip
async def test_absurd_messages_cost_the_connection_or_the_call_alone(
    connect: Connector, json: str, messagepack: bytes
) -> None:
    other = await connect()
    found = await answers(connect, json, messagepack)
    assert found[-1] in (CLOSED, done("after", result=3))
    assert await other.is_alive()


@ours_only("the original waits until it has as many bytes as the limit allows")
@pytest.mark.parametrize("length", [b"\xff\xff\xff\xff\x07", b"\xff\xff\xff\xff\xff\x01", b"\xff" * 6, b"\x81\x80\x04"])
async def test_absurd_lengths_close_before_anything_is_kept(connect: Connector, length: bytes) -> None:
    peer = await connect()
    if peer.way.codec == "json":
        length = b"{" * (LIMIT + 1)
    await peer.write(length)
    assert await peer.rest() == [CLOSED]
