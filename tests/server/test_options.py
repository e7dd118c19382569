import pytest

from hubline import ConfigurationError, HubOptions


def test_the_defaults_are_those_of_the_original() -> None:
    options = HubOptions()
    assert (options.handshake_timeout, options.keep_alive_interval, options.client_timeout) == (15, 15, 30)
    assert options.maximum_receive_message_size == 32768
    assert options.detailed_errors is False
    assert options.stream_buffer_capacity == 10
    assert options.maximum_parallel_invocations == 1
    assert options.codecs == ("json", "messagepack")


def test_none_lifts_the_size_limit_and_no_call_need_wait() -> None:
    assert HubOptions(maximum_receive_message_size=None).maximum_receive_message_size is None
    assert HubOptions(maximum_waiting_invocations=0).maximum_waiting_invocations == 0


def test_every_mistake_is_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        HubOptions(
            handshake_timeout=0,
            keep_alive_interval=-1,
            client_timeout=float("nan"),
            maximum_receive_message_size=0,
            stream_buffer_capacity=0,
            maximum_parallel_invocations=0,
            maximum_waiting_invocations=-1,
            maximum_streams=0,
            client_result_timeout=0,
            codecs=("xml",),
            field_names="camel",  # type: ignore[arg-type]
        )
    named = [problem.removeprefix("HubOptions.").split()[0] for problem in caught.value.problems]
    assert named == [
        "handshake_timeout",
        "keep_alive_interval",
        "client_timeout",
        "client_result_timeout",
        "stream_buffer_capacity",
        "maximum_parallel_invocations",
        "maximum_streams",
        "maximum_receive_message_size",
        "maximum_waiting_invocations",
        "codecs",
        "field_names",
    ]


def test_a_hub_needs_a_codec() -> None:
    with pytest.raises(ConfigurationError, match="codecs must be some of"):
        HubOptions(codecs=())
