"""The table of users."""

import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest

from hubline_chat.store import Store, users
from hubline_chat.store.users import Full, LastAdmin, NameTaken


@pytest.mark.parametrize("other", ["Ada", "ADA", "\uff21da", " ada\n"])
async def test_a_name_that_looks_the_same_is_taken(store: Store, other: str) -> None:
    ada = await store.users.add("Ada", "member", "free")
    with pytest.raises(NameTaken):
        await store.users.add(other, "member", "free")
    assert await store.users.named(other) == ada


async def test_of_two_who_want_a_name_at_once_one_gets_it(store: Store) -> None:
    made = await asyncio.gather(*(store.users.add("Ada", "member", "free") for _ in range(5)), return_exceptions=True)
    assert sorted(type(each).__name__ for each in made) == ["NameTaken"] * 4 + ["User"]


async def test_there_is_room_for_so_many(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "MAXIMUM", 1)
    await store.users.add("Ada", "member", "free")
    with pytest.raises(Full):
        await store.users.add("Bob", "guest", "guest")


async def test_only_who_has_a_password_can_sign_in(store: Store) -> None:
    await store.users.add("Guest", "guest", "guest")
    ada = await store.users.add("Ada", "member", "free", "hash")
    assert await store.users.credentials("guest") is None
    assert await store.users.credentials("nobody") is None
    assert await store.users.credentials("nobody\0") is None
    assert await store.users.credentials("ADA") == (ada, "hash")
    assert await store.users.set_password(ada.id, "other")
    assert await store.users.credentials("ADA") == (ada, "other")
    assert not await store.users.set_password("nobody", "x")


async def test_the_last_administrator_stays(store: Store) -> None:
    first = await store.users.add("First", "admin", "premium")
    with pytest.raises(LastAdmin):
        await store.users.change(first.id, role="member")
    second = await store.users.add("Second", "member", "free")
    await store.users.change(second.id, role="admin", tier="premium")
    changed = await store.users.change(first.id, role="member")
    assert changed is not None
    assert (changed.role, changed.tier) == ("member", "premium")
    assert await store.users.admin() == await store.users.get(second.id)
    assert await store.users.change("nobody", tier="free") is None


async def test_of_two_administrators_who_leave_at_once_one_stays(store: Store) -> None:
    admins = [await store.users.add(name, "admin", "premium") for name in ("Ada", "Bob")]
    left = await asyncio.gather(
        *(store.users.change(admin.id, role="member") for admin in admins), return_exceptions=True
    )
    assert [type(each) for each in left].count(LastAdmin) == 1


async def test_people_are_found_by_the_beginning_of_their_names_and_nothing_else_is_a_pattern(store: Store) -> None:
    for name in ("Ada", "adam", "Bob", "50%", "500"):
        await store.users.add(name, "member", "free", "hash")
    await store.users.add("Adamant", "guest", "guest")
    assert [user.name for user in await store.users.find("AD", 8)] == ["Ada", "adam"]
    assert [user.name for user in await store.users.find("50%", 8)] == ["50%"]
    assert [user.name for user in await store.users.find("_", 8)] == []
    assert len(await store.users.find("", 2)) == 2


async def test_administrators_see_what_everybody_used_today(store: Store) -> None:
    began = datetime.now(UTC)
    ada = await store.users.add("Ada", "member", "free")
    await store.users.add("Bob", "member", "free")
    await store.usage.add(ada.id, date(2026, 11, 25), 7)
    await store.usage.add(ada.id, date(2026, 11, 24), 100)
    listed = await store.users.list(date(2026, 11, 25))
    assert {each.user.name: each.used_today for each in listed} == {"Ada": 7, "Bob": 0}
    assert all(abs(each.created_at - began) < timedelta(minutes=5) for each in listed)


async def test_guests_without_a_session_are_idle(store: Store) -> None:
    now = datetime.now(UTC)
    gone = await store.users.add("Gone", "guest", "guest")
    here = await store.users.add("Here", "guest", "guest")
    await store.users.add("Member", "member", "free")
    await store.sessions.begin(here.id, now, now + timedelta(hours=1))
    assert [user.id for user in await store.users.idle_guests(now + timedelta(minutes=5))] == [gone.id]
    assert list(await store.users.idle_guests(now - timedelta(minutes=5))) == []
    assert (await store.users.is_idle(gone.id), await store.users.is_idle(here.id)) == (True, False)
    await store.users.delete(gone.id)
    assert await store.users.get(gone.id) is None
