"""Addresses of nodes."""

import pytest

from hubline.nodes.addresses import NodeAddress


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("unix:/run/a.sock", NodeAddress(path="/run/a.sock")),
        ("unix:///run/a.sock", NodeAddress(path="/run/a.sock")),
        ("tcp://10.0.0.1:7000", NodeAddress(host="10.0.0.1", port=7000)),
        ("tcp://chat-1.chat:0", NodeAddress(host="chat-1.chat", port=0)),
        ("tcp://[fd00::1]:7000", NodeAddress(host="fd00::1", port=7000)),
    ],
)
def test_an_address_is_read_and_written(text: str, expected: NodeAddress) -> None:
    found = NodeAddress.parse(text)
    assert found == expected
    assert NodeAddress.parse(str(found)) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "unix:",
        "unix:relative",
        "tcp://",
        "tcp://host",
        "tcp://host:x",
        "tcp://host:99999",
        "http://host:1",
        "tcp://h:1/x",
        5,
        None,
    ],
)
def test_what_is_no_address_is_told(text: object) -> None:
    with pytest.raises(ValueError, match="write `unix:"):
        NodeAddress.parse(text)


def test_a_path_that_no_socket_can_have_is_told() -> None:
    with pytest.raises(ValueError, match="at most 100 bytes"):
        NodeAddress.parse("unix:/" + "x" * 100)
