"""Whether PostgreSQL tells a server of new messages."""

import logging
from collections.abc import AsyncIterator

import pytest

from hubline.backplanes import postgres_notices
from hubline.backplanes.postgres_notices import Notices


@pytest.fixture
async def notices(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Notices]:
    """Of a connection that listens, whose limit is over with the next turn of the event loop."""
    monkeypatch.setattr(postgres_notices, "PATIENCE", 0.0)
    made = Notices()
    made.begin(listens=True)
    yield made
    made.end()


async def overdue(notices: Notices) -> None:
    notices.stored(notices.count)
    await notices.news.wait()
    notices.news.clear()


async def test_a_message_without_a_notification_is_told_once_and_so_is_the_next_notification(
    notices: Notices, caplog: pytest.LogCaptureFixture
) -> None:
    await overdue(notices)
    assert not notices.silent, "a notification may wait in the socket until the database has answered a read"
    notices.read()
    notices.read()
    assert notices.silent
    [told] = caplog.messages
    assert "give PostgresBackplane `poll=0.05`, or the direct address" in told
    caplog.clear()
    notices.heard()
    notices.heard()
    assert not notices.silent
    assert caplog.messages == ["PostgreSQL tells this server of new messages again"]


async def test_a_notification_that_comes_with_the_answer_to_the_read_counts(notices: Notices) -> None:
    await overdue(notices)
    notices.heard()
    notices.read()
    assert not notices.silent


async def test_a_notification_may_come_before_it_is_known_that_the_message_is_stored(notices: Notices) -> None:
    before = notices.count
    notices.heard()
    notices.stored(before)
    assert notices._limit is None


async def test_nothing_is_expected_of_a_connection_that_is_lost_or_that_only_polls(
    notices: Notices, caplog: pytest.LogCaptureFixture
) -> None:
    await overdue(notices)
    notices.begin(listens=False)
    notices.read()
    notices.stored(notices.count)
    assert notices._limit is None
    assert not notices.silent
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]
