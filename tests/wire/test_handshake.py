"""Handshakes, byte by byte. Texts are those of ASP.NET Core 10, asked from a running server."""

import pytest

from hubline.errors import HandshakeError
from hubline.wire.codec import TransferFormat
from hubline.wire.handshake import HandshakeRequest, HandshakeResponse, choose_codec
from hubline.wire.json import JsonCodec
from hubline.wire.msgpack import MessagePackCodec

CODECS = (JsonCodec(), MessagePackCodec())
BASE = "An unexpected error occurred during connection handshake."


@pytest.mark.parametrize(
    ("payload", "protocol", "version"),
    [
        ('{"protocol":"json","version":1}', "json", 1),
        ('{"version":-4,"protocol":"JSON","x":[{"y":1}]}', "JSON", -4),
        ('{"protocol":"json","protocol":"messagepack","version":2}', "messagepack", 2),
    ],
)
@pytest.mark.statement(83)
def test_a_request_is_read(payload: str, protocol: str, version: int) -> None:
    assert HandshakeRequest.parse(payload.encode()) == HandshakeRequest(protocol, version)


def test_a_request_is_written() -> None:
    assert HandshakeRequest("json", 1).format() == b'{"protocol":"json","version":1}\x1e'


@pytest.mark.statement(82)
@pytest.mark.parametrize(
    ("payload", "detail"),
    [
        (
            '{"protocol":"json"}',
            'InvalidDataException: Missing required property \'version\'. Message content: {"protocol":"json"}',
        ),
        (
            '{"version":1}',
            "InvalidDataException: Missing required property 'protocol'. Message content: {\"version\":1}",
        ),
        ("{}", "InvalidDataException: Missing required property 'protocol'. Message content: {}"),
        ('{"protocol":"json","version":"1"}', "InvalidDataException: Expected 'version' to be of type Number."),
        ('{"protocol":"json","version":true}', "InvalidDataException: Expected 'version' to be of type Number."),
        ('{"protocol":5,"version":1}', "InvalidDataException: Expected 'protocol' to be of type String."),
        ('{"protocol":null,"version":1}', "InvalidDataException: Expected 'protocol' to be of type String."),
        (
            '{"protocol":"json","version":1.5}',
            "FormatException: Either the JSON value is not in a supported format, or is out of bounds for an Int32.",
        ),
        (
            '{"protocol":"json","version":3000000000}',
            "FormatException: Either the JSON value is not in a supported format, or is out of bounds for an Int32.",
        ),
        ("[1]", "InvalidDataException: Expected a JSON Object."),
        ("hello", "JsonReaderException: JSON is malformed: invalid character (byte 0)"),
        ("", "JsonReaderException: Input data was truncated"),
    ],
)
def test_a_request_that_cannot_be_read_is_refused_with_details_only_on_demand(payload: str, detail: str) -> None:
    with pytest.raises(HandshakeError) as caught:
        HandshakeRequest.parse(payload.encode())
    assert caught.value.reason == BASE
    with pytest.raises(HandshakeError) as caught:
        HandshakeRequest.parse(payload.encode(), detailed_errors=True)
    assert caught.value.reason == f"{BASE} {detail}"


@pytest.mark.parametrize("payload", [b'{"protocol":"\xff","version":1}', b"[" * 100_000])
def test_bytes_that_are_no_text_and_depth_without_end_are_refused(payload: bytes) -> None:
    with pytest.raises(HandshakeError, match=BASE):
        HandshakeRequest.parse(payload)


@pytest.mark.statement(74)
def test_the_answer_is_two_braces_or_an_error() -> None:
    assert HandshakeResponse().format() == b"\x7b\x7d\x1e"
    assert HandshakeResponse("no").format() == b'{"error":"no"}\x1e'


@pytest.mark.parametrize(
    ("payload", "response"),
    [
        ("{}", HandshakeResponse()),
        ('{"minorVersion":1}', HandshakeResponse()),
        ('{"error":null}', HandshakeResponse()),
        ('{"error":"no"}', HandshakeResponse("no")),
    ],
)
def test_an_answer_is_read(payload: str, response: HandshakeResponse) -> None:
    assert HandshakeResponse.parse(payload.encode()) == response


@pytest.mark.parametrize(
    ("payload", "text"),
    [('{"type":6}', "Expected a handshake response from the server."), ("x", BASE), ("[]", BASE)],
)
def test_what_is_no_answer_is_refused(payload: str, text: str) -> None:
    with pytest.raises(HandshakeError, match=text):
        HandshakeResponse.parse(payload.encode())


@pytest.mark.statement(77, 79)
@pytest.mark.parametrize(
    ("protocol", "version", "codec"),
    [("json", 1, 0), ("JSON", 2, 0), ("Json", 0, 0), ("json", -4, 0), ("MessagePack", 1, 1)],
)
def test_codecs_are_found_by_name_in_any_case_and_old_versions_are_fine(
    protocol: str, version: int, codec: int
) -> None:
    assert choose_codec(HandshakeRequest(protocol, version), CODECS, set(TransferFormat)) is CODECS[codec]


@pytest.mark.statement(59, 78, 79)
@pytest.mark.parametrize(
    ("protocol", "version", "formats", "text"),
    [
        ("Xml", 1, set(TransferFormat), "The protocol 'Xml' is not supported."),
        ("", 1, set(TransferFormat), "The protocol '' is not supported."),
        ("xml", 99, set(TransferFormat), "The protocol 'xml' is not supported."),
        ("MESSAGEPACK", 3, set(TransferFormat), "The server does not support version 3 of the 'MESSAGEPACK' protocol."),
        (
            "messagepack",
            1,
            {TransferFormat.TEXT},
            "Cannot use the 'messagepack' protocol on the current transport. "
            "The transport does not support 'Binary' transfer format.",
        ),
    ],
)
def test_what_cannot_be_had_is_refused(protocol: str, version: int, formats: set[TransferFormat], text: str) -> None:
    with pytest.raises(HandshakeError) as caught:
        choose_codec(HandshakeRequest(protocol, version), CODECS, formats)
    assert caught.value.reason == text
