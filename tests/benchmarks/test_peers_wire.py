"""The dialects of the peers, byte by byte."""

from benchmarks.load.dialects import Json, SocketIo, WithoutHeaders
from hubline.cli.dialect import Kind


def test_socket_io_calls_and_their_acknowledgements() -> None:
    dialect = SocketIo()
    assert dialect.call("c12", "EchoText", ["hi"]) == b'42112["EchoText","hi"]'
    assert dialect.call("i3", "EchoText", ["hi"]) == b'4223["EchoText","hi"]'
    assert dialect.call("", "Broadcast", [1, 2]) == b'42["Broadcast",1,2]'
    record = dialect.reader().read(b'43112["hi"]')
    assert (record.kind, record.call, record.value) == (Kind.COMPLETION, "c12", "hi")
    assert dialect.reader().read(b"4323[]").value is None


def test_socket_io_packets_by_their_first_characters() -> None:
    read = SocketIo().reader().read
    assert read(b'0{"sid":"x"}').kind is Kind.OTHER
    assert read(b'40{"sid":"x"}').kind is Kind.OPENED
    assert read(b"2").kind is Kind.PING
    assert read(b'42["ReceiveMessage","alice","x"]').kind is Kind.MESSAGE
    assert read(b'44{"message":"no"}').kind is Kind.CLOSE


def test_hand_written_json() -> None:
    dialect = Json()
    assert dialect.call("c1", "EchoText", ["hi"]) == b'{"id": "c1", "method": "EchoText", "arguments": ["hi"]}'
    assert dialect.reader().read(b'{"id":"c1","result":"hi"}').value == "hi"
    assert dialect.reader().read(b'{"target":"ReceiveMessage","arguments":[]}').kind is Kind.MESSAGE


def test_a_message_in_fragments_is_one() -> None:
    reader = Json().reader()
    assert reader.feed(b'{"id":', False) == []
    assert reader.feed(b'"c1"}', True) == [b'{"id":"c1"}']


def test_aiosignalr_writes_a_number_for_no_headers() -> None:
    dialect = WithoutHeaders("messagepack")
    reader = dialect.reader()
    assert reader.feed(b"{}\x1e" + bytes.fromhex("0c 95 03 cc80 a2 6331 03 a2 6869") + b"\x00", True) != []
    assert reader.read(b"{}").kind is Kind.OPENED
    record = reader.read(bytes.fromhex("95 03 cc80 a2 6331 03 a2 6869"))
    assert (record.kind, record.call, record.value) == (Kind.COMPLETION, "c1", "hi")
