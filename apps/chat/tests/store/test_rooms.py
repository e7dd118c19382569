"""What people change of rooms, in the store."""

from hubline_chat.store import Store
from hubline_chat.store.rooms import RoomRecord


async def test_a_room_keeps_its_model_and_its_instructions(store: Store) -> None:
    await store.rooms.add(RoomRecord("tea", "Tea", "", False))
    await store.rooms.change("tea", {"model": "large", "prompt": "Be brief.\nBe kind."})
    await store.rooms.change("tea", {"is_archived": True})
    found = {room.id: room for room in await store.rooms.all()}["tea"]
    assert (found.model, found.prompt, found.is_archived) == ("large", "Be brief.\nBe kind.", True)
    await store.rooms.change("tea", {"model": None, "prompt": ""})
    found = {room.id: room for room in await store.rooms.all()}["tea"]
    assert (found.model, found.prompt, found.retention_days) == (None, "", None)
