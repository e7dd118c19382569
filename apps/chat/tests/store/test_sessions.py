"""The table of sessions."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from hubline_chat.store import Store, User
from hubline_chat.store.sessions import PER_USER

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


async def begun(store: Store, user: User, now: datetime = NOW) -> tuple[str, str]:
    """The secret and the id of a new session."""
    secret, _ = await store.sessions.begin(user.id, now, now + HOUR)
    session = await store.sessions.find(secret, now)
    assert session is not None
    return secret, session.id


async def test_a_session_is_found_by_its_secret_until_it_expires(store: Store) -> None:
    ada = await store.users.add("Ada", "member", "free")
    secret, session_id = await begun(store, ada)
    found = await store.sessions.find(secret, NOW + HOUR - timedelta(seconds=1))
    assert found is not None
    assert (found.user, found.expires_at) == (ada, NOW + HOUR)
    assert await store.sessions.find(secret, NOW + HOUR) is None
    assert await store.sessions.find(session_id, NOW) is None
    assert await store.sessions.alive(session_id, NOW)
    assert not await store.sessions.alive(session_id, NOW + HOUR)
    await store.sessions.extend(session_id, NOW + 2 * HOUR)
    assert await store.sessions.find(secret, NOW + HOUR) is not None


async def test_the_database_does_not_hold_what_opens_a_session(store: Store) -> None:
    secret, _ = await begun(store, await store.users.add("Ada", "member", "free"))
    async with store.database.reading() as connection:
        rows = (await connection.execute(text("SELECT * FROM sessions"))).all()
    assert secret not in str(rows)


async def test_ending_one_leaves_the_others(store: Store) -> None:
    ada, bob = await store.users.add("Ada", "member", "free"), await store.users.add("Bob", "member", "free")
    sessions = [await begun(store, ada) for _ in range(3)]
    _, other = await begun(store, bob)
    await store.sessions.end(sessions[0][1])
    assert await store.sessions.find(sessions[0][0], NOW) is None
    ended = await store.sessions.end_of(ada.id, but=sessions[1][1])
    assert list(ended) == [sessions[2][1]]
    assert await store.sessions.alive(sessions[1][1], NOW)
    assert await store.sessions.alive(other, NOW)


async def test_so_many_sessions_of_one_user_and_then_the_oldest_ends(store: Store) -> None:
    ada = await store.users.add("Ada", "member", "free")
    sessions = [await begun(store, ada, NOW + timedelta(seconds=number)) for number in range(PER_USER)]
    _, ended = await store.sessions.begin(ada.id, NOW + timedelta(minutes=1), NOW + HOUR)
    assert list(ended) == [sessions[0][1]]
    assert not await store.sessions.alive(sessions[0][1], NOW)
    assert await store.sessions.alive(sessions[1][1], NOW)


async def test_expired_ones_are_forgotten_and_a_deleted_user_has_none(store: Store) -> None:
    ada = await store.users.add("Ada", "member", "free")
    await begun(store, ada)
    await begun(store, ada, NOW + HOUR)
    await store.sessions.purge(NOW + HOUR)
    async with store.database.reading() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM sessions")) == 1
    await store.users.delete(ada.id)
    async with store.database.reading() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM sessions")) == 0
