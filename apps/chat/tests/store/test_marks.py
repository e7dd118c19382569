"""The tables of read marks and mentions."""

from apps.chat.tests.store.test_messages import said
from hubline_chat.store import Store


async def test_marks_rise_and_never_fall(store: Store) -> None:
    ada, bob = [await store.users.add(name, "member", "free") for name in ("Ada", "Bob")]
    assert await store.marks.of(ada.id) == {}
    await store.marks.advance({(ada.id, "general"): 5, (ada.id, "off-topic"): 2, (bob.id, "general"): 1})
    await store.marks.advance({(ada.id, "general"): 4, (ada.id, "off-topic"): 3})
    assert await store.marks.of(ada.id) == {"general": 5, "off-topic": 3}
    assert await store.marks.of(bob.id) == {"general": 1}


async def test_marks_of_whom_and_what_is_gone_are_skipped_and_go_with_them(store: Store) -> None:
    ada, bob = [await store.users.add(name, "member", "free") for name in ("Ada", "Bob")]
    await store.marks.advance({("nobody", "general"): 5, (ada.id, "nowhere"): 5, (ada.id, "general"): 5})
    assert await store.marks.of(ada.id) == {"general": 5}
    await store.marks.advance({(bob.id, "general"): 5, (bob.id, "off-topic"): 5})
    await store.rooms.delete("off-topic")
    await store.users.delete(ada.id)
    assert [await store.marks.of(each.id) for each in (ada, bob)] == [{}, {"general": 5}]


async def test_mentions_are_those_after_the_mark_and_go_with_their_messages(store: Store) -> None:
    ada, bob = [await store.users.add(name, "member", "free") for name in ("Ada", "Bob")]
    await store.messages.add([said(seq) for seq in range(1, 6)])
    for seq in range(1, 6):
        await store.marks.mention("general", seq, [ada.id])
    assert await store.marks.mentions(ada.id, 2) == [("general", 5), ("general", 4)]
    await store.marks.advance({(ada.id, "general"): 2})
    assert await store.marks.mentions(ada.id, 9) == [("general", 5), ("general", 4), ("general", 3)]
    await store.marks.mention("general", 5, [bob.id])
    await store.marks.mention("general", 4, [])
    assert await store.marks.mentions(ada.id, 9) == [("general", 3)]
    await store.messages.clear("general", 5)
    assert await store.marks.mentions(ada.id, 9) == []
    assert await store.marks.mentions(bob.id, 9) == [("general", 5)]
