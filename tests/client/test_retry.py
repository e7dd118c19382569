"""Reconnecting, as the log tells it."""

import logging

import pytest

from hubline import ConnectionClosed
from hubline.client.retry import RetryPolicy, restored
from hubline.testing import ManualClock


@pytest.mark.parametrize(
    ("policy", "failures", "told"),
    [
        (
            (0.0, 0.0),
            1,
            [
                "the connection to http://h/hub was lost: the socket broke",
                "attempt 1 to connect to http://h/hub has failed: nobody there",
                "the connection to http://h/hub is back after 2 attempts and 0 s",
            ],
        ),
        (
            None,
            0,
            [
                "the connection to http://h/hub was lost: the socket broke",
                "the connection to http://h/hub is not restored",
            ],
        ),
    ],
    ids=["back", "never"],
)
async def test_the_log_tells_of_a_loss_and_of_each_attempt(
    policy: RetryPolicy, failures: int, told: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    answers: list[str | ConnectionClosed] = [ConnectionClosed("nobody there")] * failures + ["a link"]

    async def attempt() -> str | ConnectionClosed:
        return answers.pop(0)

    lost = ConnectionClosed("the socket broke")
    with caplog.at_level(logging.INFO, "hubline.client"):
        assert await restored(policy, ManualClock(), attempt, lost, "http://h/hub") == ("a link" if policy else lost)
    assert caplog.messages == told
