import pytest

from hubline.connection import Transport
from hubline.errors import ConfigurationError
from hubline.transports.options import TransportOptions
from hubline.wire.codec import TransferFormat


def test_the_defaults_are_those_of_the_original_where_it_has_one() -> None:
    options = TransportOptions()
    assert options.transports == {Transport.WEB_SOCKETS, Transport.SERVER_SENT_EVENTS, Transport.LONG_POLLING}
    assert options.minimum_protocol_version == 0
    assert options.application_buffer == 65_536
    assert (options.send_timeout, options.poll_timeout) == (10, 90)
    assert (options.close_timeout, options.disconnect_timeout) == (5, 15)
    assert options.close_on_token_expiry is False


def test_our_own_limits() -> None:
    options = TransportOptions()
    assert (options.outbox_capacity, options.outbox_messages, options.outbox_policy) == (1_048_576, 10_000, "close")
    assert (options.maximum_connections, options.maximum_waiting) == (20_000, 20_000)
    assert (options.connections_per_user, options.connections_per_address) == (None, None)
    assert options.waiting_per_address is None
    assert options.same_user == "signed_in"


def test_transports_are_named_and_ordered_as_in_the_negotiate_response() -> None:
    assert [each.value for each in Transport] == ["WebSockets", "ServerSentEvents", "LongPolling"]


def test_every_mistake_is_reported_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        TransportOptions(
            transports=frozenset(),
            minimum_protocol_version=2,
            outbox_policy="drop",  # type: ignore[arg-type]
            application_buffer=0,
            poll_timeout=-1.0,
            maximum_connections=True,
            connections_per_user=0,
            waiting_per_address=-1,
            same_user="always",  # type: ignore[arg-type]
        )
    assert len(caught.value.problems) == 9
    text = "TransportOptions.application_buffer must be a whole number greater than 0, got 0"
    assert text in caught.value.problems
    assert any("'drop'" in problem for problem in caught.value.problems)


def test_a_transport_that_is_none_is_a_mistake() -> None:
    with pytest.raises(ConfigurationError, match="WEB_SOCKETS"):
        TransportOptions(transports=frozenset({"WebSockets"}))  # type: ignore[arg-type]


@pytest.mark.statement(12)
def test_server_sent_events_carry_text_only() -> None:
    assert Transport.SERVER_SENT_EVENTS.transfer_formats == {TransferFormat.TEXT}
    assert Transport.WEB_SOCKETS.transfer_formats == Transport.LONG_POLLING.transfer_formats == set(TransferFormat)


@pytest.mark.parametrize("cap", ["connections_per_user", "connections_per_address", "waiting_per_address"])
def test_caps_are_off_and_can_be_set(cap: str) -> None:
    assert getattr(TransportOptions(), cap) is None
    assert getattr(TransportOptions(**{cap: 7}), cap) == 7  # type: ignore[arg-type]
