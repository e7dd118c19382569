"""Questions of a run to a person: the first valid answer wins."""

import asyncio
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from hubline import HubError
from hubline.runs.info import NO_RUN, AskExpired, Caller
from hubline.runs.timers import Timer
from hubline.runs.values import json_schema, plain, read_answer, sent, value_size


@dataclass(slots=True, eq=False)
class Ask:
    """One question."""

    prompt: str
    kind: Any
    key: str | None
    who: frozenset[str] | None
    id: str = field(default_factory=lambda: secrets.token_urlsafe(9))
    state: str = "open"
    """`open`, `answered` or `expired`."""
    by: str | None = None
    answer: Any = None
    timer: Timer | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def result(self) -> Any:
        """The answer. Raises AskExpired."""
        if self.state == "expired":
            raise AskExpired(self.prompt)
        return self.answer


class Asks:
    """The questions of one run, including those of earlier attempts."""

    def __init__(self, changed: Callable[[], None]) -> None:
        """`changed` is called when a question was asked or settled."""
        self._asks: dict[str, Ask] = {}
        self._keys: dict[str, Ask] = {}
        self._changed = changed

    @property
    def open(self) -> bool:
        """Whether a question is open."""
        return any(ask.state == "open" for ask in self._asks.values())

    def of_key(self, key: str | None) -> Ask | None:
        return self._keys.get(key) if key is not None else None

    def add(self, prompt: str, kind: Any, key: str | None, who: str | Collection[str] | None) -> Ask:
        people = frozenset([who]) if isinstance(who, str) else frozenset(who) if who is not None else None
        ask = Ask(prompt, kind, key, people)
        self._asks[ask.id] = ask
        if key is not None:
            self._keys[key] = ask
        return ask

    def entry(self, ask: Ask, expires_at: str | None) -> dict[str, Any]:
        """The question as viewers see it. Raises TypeError if its type has no JSON Schema."""
        return {
            "kind": "ask",
            "askId": ask.id,
            "prompt": ask.prompt,
            "schema": json_schema(ask.kind),
            "expiresAt": expires_at,
        }

    def check(self, ask_id: str, caller: Caller | None) -> Ask:
        """The open question. Raises HubError with the text for the user who answers."""
        ask = self._asks.get(ask_id)
        if ask is None:
            raise HubError("The question does not exist.")
        if ask.who is not None and caller is not None and caller.user_id not in ask.who:
            raise HubError(NO_RUN)
        if ask.state == "answered":
            raise HubError(f"Already answered by {ask.by}." if ask.by is not None else "Already answered.")
        if ask.state == "expired":
            raise HubError("The question has expired.")
        return ask

    def read(self, ask: Ask, value: Any, largest: int) -> Any:
        """The value as the requested type. Raises HubError if it does not fit, or is too large for an entry."""
        reply(value)
        try:
            answer, size = read_answer(value, ask.kind), value_size(answered(ask, value))
        except (ValueError, TypeError, RecursionError) as error:
            raise HubError(f"The answer does not fit: {error}") from error
        if size > largest:
            raise HubError(f"An answer may have {largest // 1024} KiB.")
        return answer

    def claim(self, ask: Ask, state: str, by: str | None = None) -> None:
        """Record the answer; later answers are refused. The function that asked continues after `settle`."""
        if ask.timer is not None:
            ask.timer.cancel()
            ask.timer = None
        ask.state, ask.by = state, by

    def settle(self, ask: Ask, answer: Any = None) -> None:
        """The outcome was sent to viewers: let the function that asked continue."""
        ask.answer = answer
        ask.done.set()
        self._changed()

    def who_may(self, ask_id: str) -> frozenset[str] | None:
        """The only users that may answer it; with `None`, the rights of the run decide."""
        ask = self._asks.get(ask_id)
        return ask.who if ask is not None else None

    def close(self) -> None:
        """The run has ended: nothing expires any more."""
        for ask in self._asks.values():
            if ask.timer is not None:
                ask.timer.cancel()


def reply(value: Any) -> Any:
    """The answer of a client, as plain values. Raises HubError if it has no form in JSON."""
    try:
        return sent(value)
    except (TypeError, RecursionError) as error:
        raise HubError(f"The answer does not fit: {error}") from error


def answered(ask: Ask, value: Any) -> dict[str, Any]:
    """The entry that reports the outcome to viewers."""
    expired = ask.state == "expired"
    return {"kind": "answered", "askId": ask.id, "by": ask.by, "value": plain(value), "expired": expired}
