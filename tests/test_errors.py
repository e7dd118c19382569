import pytest

from hubline.errors import (
    BindingError,
    ConfigurationError,
    ConnectionClosed,
    HandshakeError,
    HubError,
    HublineError,
    InvocationError,
    KeepAliveTimeout,
    LocalProtocolError,
    MessageTooLarge,
    QuotaExceeded,
    RateLimitExceeded,
    RemoteProtocolError,
    SendTimeout,
    SendTooLarge,
    SlowConsumerError,
)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (
            "An unexpected error occurred invoking 'Enter' on the server. HubException: There is no room.",
            "There is no room.",
        ),
        ("An error occurred on the server while streaming results. HubException: ", ""),
        ("An unexpected error occurred invoking 'Enter' on the server.", None),
    ],
)
def test_the_text_that_a_hub_means_for_its_callers(message: str, reason: str | None) -> None:
    assert InvocationError("Enter", message).reason == reason


def test_a_configuration_error_holds_every_problem() -> None:
    error = ConfigurationError(["one", "two"])
    assert error.problems == ("one", "two")
    assert str(error) == "one\ntwo"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (HubError("no"), "no"),
        (RateLimitExceeded(0.001), "too many calls: try again in 1 s"),
        (RateLimitExceeded(2.001), "too many calls: try again in 3 s"),
        (QuotaExceeded("questions", 1), "1 question at once may be asked: wait until one is answered"),
        (InvocationError("Add", "it failed"), "Add: it failed"),
        (InvocationError("Add", ""), "Add"),
        (BindingError("Add", "expected `int`"), "cannot call Add: expected `int`"),
        (ConnectionClosed(), "the connection was closed"),
        (ConnectionClosed("why"), "why"),
        (HandshakeError("refused"), "refused"),
        (
            KeepAliveTimeout(30),
            "Client hasn't sent a message/ping within the configured ClientTimeoutInterval.",
        ),
        (
            SlowConsumerError("abc", queued=12, capacity=10),
            "connection abc is too slow: 12 bytes queued, capacity is 10 bytes",
        ),
        (
            SendTooLarge(11, limit=10),
            "11 bytes are too much for one message: maximum_send_message_size is 10 bytes",
        ),
        (SendTimeout("abc", timeout=10.0), "connection abc did not take a write within 10 s"),
        (RemoteProtocolError("Missing required property 'type'."), "Missing required property 'type'."),
        (
            MessageTooLarge(32768),
            "The maximum message size of 32768B was exceeded. The message size can be configured in AddHubOptions.",
        ),
        (LocalProtocolError("a bug"), "a bug"),
    ],
)
def test_the_sentence_comes_from_the_data(error: HublineError, text: str) -> None:
    assert str(error) == text
    assert isinstance(error, HublineError)


def test_errors_say_whether_the_peer_may_come_back() -> None:
    assert not ConnectionClosed().allow_reconnect
    assert not HandshakeError("no").allow_reconnect
    may_return = [
        ConnectionClosed("x", allow_reconnect=True),
        KeepAliveTimeout(1),
        SlowConsumerError("a", queued=1, capacity=1),
        SendTimeout("a", timeout=1),
        RemoteProtocolError("x"),
        MessageTooLarge(1),
    ]
    assert all(error.allow_reconnect for error in may_return)


def test_the_data_is_there_to_act_on() -> None:
    slow = SlowConsumerError("abc", queued=12, capacity=10)
    assert (slow.connection_id, slow.queued, slow.capacity) == ("abc", 12, 10)
    assert SendTimeout("abc", timeout=1.5).timeout == 1.5
    assert KeepAliveTimeout(30).timeout == 30
    assert MessageTooLarge(5).limit == 5
    binding = BindingError("Add", "text")
    assert (binding.target, binding.message) == ("Add", "text")
    assert ConnectionClosed("why").reason == "why"
