"""Files, quotes, reactions and pairs, in each kind of database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from apps.chat.tests.store.test_messages import ADA, NOON, said
from hubline_chat.attached import File, Quote, Reaction, Reactor
from hubline_chat.store import Store
from hubline_chat.store.rooms import MemberRecord, RoomRecord

PICTURE = File("f1", "é.png", "image/png", 3, 30, 20)
NOTES = File("f2", "notes.txt", "text/plain", 4)


async def test_a_file_belongs_to_one_message_and_is_unused_without_it(store: Store) -> None:
    long_ago, soon = NOON - timedelta(days=1), datetime.now(UTC) + timedelta(days=1)
    for file in (PICTURE, NOTES):
        await store.files.add(file, "ada", "general")
    assert await store.files.used("ada") == 7
    assert await store.files.used("bob") == 0
    with_files = replace(said(1), files=[PICTURE, NOTES])
    await store.messages.add([with_files])
    assert list(await store.messages.newest("general", 1)) == [with_files]
    for wrong in (PICTURE, File("f9", "never uploaded", "text/plain", 1)):
        with pytest.raises(IntegrityError):
            await store.messages.add([replace(said(2), files=[wrong])])
    known = await store.files.get(["f1", "f9"])
    assert [(each.file, each.is_attached, each.is_unsent) for each in known.values()] == [(PICTURE, True, False)]
    await store.files.add(File("f3", "unsent", "text/plain", 1), "ada", "general")
    assert list(await store.files.unused(long_ago)) == []
    assert list(await store.files.unused(soon)) == ["f3"]
    await store.files.detach(["f1"])
    assert list(await store.files.unused(long_ago)) == ["f1"]
    await store.messages.clear("general", 2)
    assert set(await store.files.unused(long_ago)) == {"f1", "f2"}
    await store.files.delete_unused(["f1", "f2"])
    assert await store.files.used("ada") == 1


async def test_what_a_deleted_room_had_is_unused(store: Store) -> None:
    await store.files.add(NOTES, "ada", "off-topic")
    await store.messages.add([replace(said(1, room="off-topic"), files=[NOTES])])
    await store.files.delete_unused(["f2"])  # a message has it
    assert await store.files.used("ada") == 4
    await store.rooms.delete("off-topic")
    assert list(await store.files.unused(NOON)) == ["f2"]


async def test_a_quote_is_what_it_quotes_now(store: Store) -> None:
    first = said(1, "a\nb")
    quote = Quote(1, "general-1", "ada", "Ada", "a b")
    reply = replace(said(2), quote=quote)
    await store.messages.add([first, reply])
    assert await store.messages.find("general-2") == reply
    await store.messages.update([replace(first, text="other")])
    [*_, kept] = await store.messages.newest("general", 2)
    assert kept.quote == replace(quote, text="other")
    await store.messages.clear("general", 2)
    [kept] = await store.messages.after("general", 0, 5)
    assert kept.quote == Quote(1, is_deleted=True)


async def test_reactions_are_kept_with_their_time(store: Store) -> None:
    await store.messages.add([said(1)])
    reacted = replace(said(1), reactions=[Reaction("👍", [Reactor(ADA.id, ADA.name)])], reacted_at=NOON)
    await store.messages.update([reacted])
    assert list(await store.messages.newest("general", 1)) == [reacted]


async def test_two_people_have_one_conversation(store: Store) -> None:
    users = [await store.users.add(name, "member", "free") for name in ("Ada", "Bob")]
    members = [MemberRecord(user.id, user.name, False) for user in users]
    pair = RoomRecord("p1", "Bob", "", True, members, pair="a:b")
    await store.rooms.add(pair)
    with pytest.raises(IntegrityError):
        await store.rooms.add(replace(pair, id="p2"))
    assert [room.pair for room in await store.rooms.all() if room.is_private] == ["a:b"]
