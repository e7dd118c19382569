"""How much a row sends, and who comes back in a storm; no server."""

from typing import cast

import pytest

from benchmarks.rows import storms
from benchmarks.rows.measuring import Pace
from hubline.cli.load import Connection, LoadError


def test_a_pace_begins_with_one_and_then_fills_the_time() -> None:
    pace = Pace(200)
    assert pace.fit(2.0) == 1
    pace.learn(1, 0.5)
    assert pace.fit(4.0) == 8
    pace.learn(8, 0.01)
    assert pace.fit(2.0) == 200


def test_a_slow_server_is_asked_for_the_least_and_a_short_row_for_all() -> None:
    slow, short = Pace(200), Pace(2)
    slow.learn(1, 10.0)
    short.learn(1, 10.0)
    assert slow.fit(2.0) == 3
    assert short.fit(2.0) == 2


class Back:
    """A connection on which a call is answered, or not."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    async def call(self, method: str, *arguments: object) -> None:
        if self.error is not None:
            raise self.error


async def test_who_is_refused_or_not_answered_comes_again_and_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storms, "AGAIN", 0)
    good = Back()
    script = iter([ConnectionRefusedError(), LoadError("429"), Back(LoadError("it was closed")), good])

    async def come() -> Connection:
        found = next(script)
        if isinstance(found, Exception):
            raise found
        return cast("Connection", found)

    assert await storms._served(come) == (cast("Connection", good), 3)
