"""The policies of rooms, and the errors of a room that takes no more."""

from typing import get_args

from hubline.runs.info import OnBusy

POLICIES: tuple[OnBusy, ...] = get_args(OnBusy)
BUSY = "The room is busy."


def full(most: int) -> str:
    """The error when no more runs may wait."""
    return f"{most} runs wait in this room already."


def too_many(most: int) -> str:
    """The error when a starter has as many runs as are allowed."""
    return f"{most} runs at once may be started: wait until one has ended."


def check_policy(policy: OnBusy) -> None:
    """Raises ValueError if it is not a policy."""
    if policy not in POLICIES:
        raise ValueError(f"on_busy is {policy!r}, but must be one of {', '.join(POLICIES)}")
