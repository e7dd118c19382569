"""Errors in the words of a client."""

import pytest

from hubline import ConnectionClosed, KeepAliveTimeout, MessageTooLarge
from hubline.client.events import told


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (KeepAliveTimeout(30), "the server sent nothing for 30 s"),
        (MessageTooLarge(9), "the server sent a message of more than 9 bytes, the maximum_message_size of this client"),
    ],
)
def test_texts_that_are_for_servers_are_replaced(error: ConnectionClosed, text: str) -> None:
    found = told(error)
    assert (str(found), found.__cause__, found.allow_reconnect) == (text, error, True)


def test_other_errors_stay() -> None:
    error = ConnectionClosed("the socket broke")
    assert told(error) is error
