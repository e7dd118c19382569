"""What servers have done, in a file that outlives every one of them: calls of the model, and what `on_end` was told."""

import json
import os
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

MAX_ATTEMPTS = 3
"""Calls of one function, the default of `Runs.function`; those that a deploy has ended do not count."""

PREFIX = "worker-"
"""Beside the ledger, each worker has an empty file with the number of its process behind this."""

LAPSED = "none"
"""In the place of a run: a server says of itself that its lease had lapsed."""

MOMENT = 0.5
"""Seconds between a moment and its note, at most, on a busy machine."""


class Ledger:
    """Appends lines. Each is one write at the end of the file, so those of several processes do not mix."""

    def __init__(self, path: Path, server: int) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._server = server

    def note(self, kind: str, **facts: Any) -> None:
        noted = {"kind": kind, "server": self._server, "at": time.time(), **facts}
        os.write(self._file, json.dumps(noted).encode() + b"\n")


@dataclass(frozen=True)
class Act:
    """What a server did when, for a run: a call of its function, or one of the model."""

    server: int
    at: float


@dataclass(frozen=True)
class Apart:
    """A server, by its port, and the storage did not reach each other for so long."""

    server: int
    since: float
    until: float


def gate_of(ledger: Path) -> Path:
    """The file that lets answers end."""
    return ledger.with_suffix(".gate")


class Account:
    """The lines about one run."""

    def __init__(self) -> None:
        self.attempts: list[int] = []
        self.paid: Counter[int] = Counter()
        """How often the model was paid for each token."""
        self.calls: list[Act] = []
        self.purchases: list[Act] = []
        self.ends: list[tuple[str, str]] = []
        """States and texts that `on_end` was told."""
        self.tellings: list[Act] = []
        """By whom it was told, and when."""
        self.settlings: list[Act] = []
        """Who has said so, and when."""


def accounts(path: Path) -> dict[str, Account]:
    """The lines by run."""
    found: dict[str, Account] = defaultdict(Account)
    for entry in _entries(path):
        if entry["run"] == LAPSED:
            continue
        account = found[entry["run"]]
        if entry["kind"] == "attempt":
            account.attempts.append(entry["attempt"])
            account.calls.append(Act(entry["server"], entry["at"]))
        elif entry["kind"] == "token":
            account.paid[entry["number"]] += 1
            account.purchases.append(Act(entry["server"], entry["at"]))
        elif entry["kind"] == "end":
            account.ends.append((entry["state"], entry["text"]))
            account.tellings.append(Act(entry["server"], entry["at"]))
        elif entry["kind"] == "settled":
            account.settlings.append(Act(entry["server"], entry["at"]))
    return found


def lapses(path: Path, lease: float) -> list[Apart]:
    """When servers had no lease, whether or not something was done to them: it was noted at the end of that time."""
    ends = [(entry["server"], entry["at"]) for entry in _entries(path) if entry["run"] == LAPSED]
    return [Apart(server, at - 3 * lease, at + MOMENT) for server, at in ends]


def _entries(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def answer_of(tokens: int) -> str:
    """What a run of so many tokens says in the end."""
    return "".join(f"{number} " for number in range(tokens))


def problems(
    account: Account, tokens: int, seen: list[str], apart: Sequence[Apart], failed: Sequence[Apart] = ()
) -> list[str]:
    """What is wrong with a run that `seen` viewers have followed to its end: each with the text that it had then.

    `apart` are the servers that were cut off from the storage: what one of them has bought meanwhile, for a run that
    another has taken over because the lease had lapsed, is given up. `failed` are those, and the ones that were killed
    or frozen, or had no lease: if that happened between telling `on_end` and saying so, another server tells it again.
    """
    found, whole = [], answer_of(tokens)
    if len(set(account.attempts)) != len(account.attempts):
        found.append(f"attempts {account.attempts}: one was made twice")
    if len(account.ends) - told_in_vain(account, failed) not in (0, 1) or len(set(account.ends)) != 1:
        found.append(f"on_end was told {len(account.ends)} times: {[state for state, _ in account.ends]}")
    for state, text in account.ends:
        if state == "completed" and text != whole:
            found.append(f"completed with {text!r}")
        if state != "completed" and max(account.attempts, default=0) < MAX_ATTEMPTS:
            found.append(f"{state} after attempts {account.attempts}")
        if not whole.startswith(text):
            found.append(f"on_end was told {text!r}")
        found += [f"a viewer has {other!r} and on_end {text!r}" for other in seen if other != text]
    twice = account.paid.total() - len(account.paid)
    if twice > in_flight(account) + given_up(account, apart):
        found.append(f"{twice} tokens were paid twice in {len(account.attempts)} attempts")
    return found


def told_in_vain(account: Account, failed: Sequence[Apart]) -> int:
    """How often `on_end` may have been told by a server that could not say so."""
    return sum(
        any(
            each.server == told.server and each.since <= said_at(account, told) and told.at <= each.until
            for each in failed
        )
        for told in account.tellings
    )


def said_at(account: Account, told: Act) -> float:
    """When the server that has told `on_end` had said so."""
    return min(
        (said.at for said in account.settlings if said.server == told.server and said.at >= told.at), default=inf
    )


def given_up(account: Account, apart: Sequence[Apart]) -> int:
    """Tokens that a server has bought while it was cut off, for a run that another one has called again."""
    return sum(
        any(
            each.server == bought.server
            and each.since <= bought.at <= each.until
            and any(call.server != each.server and call.at > each.since for call in account.calls)
            for each in apart
        )
        for bought in account.purchases
    )


def in_flight(account: Account) -> int:
    """Tokens that may have been paid twice: an attempt that is cut short has bought one that is not written yet, and a
    frozen server buys one more before it hears that the run is another's."""
    return 2 * (len(account.attempts) - 1)
