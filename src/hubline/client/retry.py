"""When a client that has lost its connection tries again."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias, TypeVar

from msgspec import Struct

from hubline._clock import Clock
from hubline.errors import ConnectionClosed

LinkT = TypeVar("LinkT")

logger = logging.getLogger("hubline.client")

DELAYS = (0.0, 2.0, 10.0, 30.0)
"""Seconds before each attempt, as in the official clients (spec §11.5). After the last one they give up."""


class Retry(Struct, frozen=True):
    """What a retry policy is asked about: an attempt that is to come."""

    attempts: int
    """How many have failed since the connection was lost."""
    elapsed: float
    """Seconds since the connection was lost."""
    error: ConnectionClosed
    """Why the connection was lost, or why the last attempt failed."""


RetryPolicy: TypeAlias = Sequence[float] | Callable[[Retry], float | None] | None
"""Seconds before each attempt; or a function that returns them, or `None` to give up. `None` never reconnects."""


def is_policy(value: object) -> bool:
    """Whether this is a policy, other than `None`."""
    if isinstance(value, Sequence):
        return all(isinstance(each, int | float) and each >= 0 for each in value)
    return callable(value)


def delay(policy: RetryPolicy, retry: Retry) -> float | None:
    """Seconds to wait before the next attempt, `None` to give up. A policy that raises gives up, and is logged."""
    if policy is None:
        return None
    if callable(policy):
        try:
            return policy(retry)
        except Exception:
            logger.exception("the retry policy failed: the connection is not restored")
            return None
    return policy[retry.attempts] if retry.attempts < len(policy) else None


async def restored(
    policy: RetryPolicy,
    clock: Clock,
    attempt: Callable[[], Awaitable[LinkT | ConnectionClosed]],
    lost: ConnectionClosed,
    address: str,
) -> LinkT | ConnectionClosed:
    """Attempt to connect, as often as the policy says. Returns why it gave up: `lost` if there was no attempt."""
    logger.info("the connection to %s was lost: %s", address, lost)
    began, error, attempts = clock.now(), lost, 0
    while (seconds := delay(policy, Retry(attempts, clock.now() - began, error))) is not None:
        await clock.sleep(seconds)
        found = await attempt()
        attempts += 1
        if not isinstance(found, ConnectionClosed):
            logger.info(
                "the connection to %s is back after %d attempts and %.0f s", address, attempts, clock.now() - began
            )
            return found
        logger.info("attempt %d to connect to %s has failed: %s", attempts, address, found)
        error = found
    logger.info("the connection to %s is not restored", address)
    if not attempts:
        return lost
    elapsed = clock.now() - began
    over = ConnectionClosed(
        f"Reconnect retries have been exhausted after {attempts} failed attempts and {elapsed:.0f} s: {error}"
    )
    over.__cause__ = error
    return over
