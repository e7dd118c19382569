"""Conversations of two people."""

from pathlib import Path

from apps.chat.tests.harness import chat
from apps.chat.tests.test_hubs import refusal


async def test_two_people_write_to_each_other_and_nobody_else_sees_it(tmp_path: Path) -> None:
    async with chat(data=tmp_path) as under_test:
        for name in ("Ada", "Bob", "Eve"):
            await under_test.member(name, role="admin" if name == "Eve" else "member")
        ada, bob, eve = [await under_test.enter(name, room=None) for name in ("Ada", "Bob", "Eve")]
        room = await ada.client.invoke("CreatePair", bob.me["id"])
        assert (room["isPair"], room["isPrivate"], room["owners"]) == (True, True, [])
        assert [each["name"] for each in room["members"]] == ["Ada", "Bob"]
        assert (await bob.client.invoke("CreatePair", ada.me["id"]))["id"] == room["id"]
        await bob.news("RoomsChanged", lambda rooms: any(each["id"] == room["id"] for each in rooms))
        await ada.join(room["id"])
        await ada.say("Psst", room["id"])
        [mention] = await bob.client.expect("Mentioned")
        assert (mention["text"], mention["roomId"]) == ("Psst", room["id"])
        assert await refusal(eve, "OpenRoom", room["id"], None) == "This room does not exist."
        belongs = "A conversation of two people belongs to both, and cannot be changed."
        for call in (
            ("ChangeRoom", room["id"], "Ours", ""),
            ("ArchiveRoom", room["id"], True),
            ("DeleteRoom", room["id"]),
            ("AddMember", room["id"], "Eve"),
            ("RemoveMember", room["id"], bob.me["id"]),
        ):
            assert await refusal(ada, *call) == belongs
        assert await refusal(ada, "CreatePair", ada.me["id"]) == "This is you."
        assert await refusal(ada, "CreatePair", "nobody") == "This person is not here any more."
        hers = await eve.client.invoke("CreatePair", ada.me["id"])
        await ada.join(hers["id"])
        said = await ada.say("Mine", hers["id"])
        assert "Only its author" in await refusal(eve, "DeleteMessage", said["id"])  # an administrator
        assert await refusal(eve, "ChangeRoom", hers["id"], "Ours", "") == belongs
        await ada.client.invoke("CreateRoom", "Bob")  # its name is free
    async with chat(data=tmp_path) as under_test:
        browser = under_test.browser()
        await browser.user("sign-in", name="Bob", password="secret of Bob")
        under_test._browsers["Bob"] = browser
        entered = await (await under_test.enter("Bob", room=None)).client.invoke("Enter")
        [kept] = [each for each in entered["rooms"] if each["isPair"]]
        assert (kept["id"], kept["lastSeq"]) == (room["id"], 1)
        assert [each["mentions"] for each in entered["reads"] if each["roomId"] == room["id"]] == [[1]]


async def test_what_a_guest_leaves_behind_can_be_read_and_deleted() -> None:
    async with chat() as under_test:
        ada, bob = await under_test.enter("Ada", room=None), await under_test.enter("Bob", room=None)
        room = await ada.client.invoke("CreatePair", bob.me["id"])
        for page in (ada, bob):
            await page.join(room["id"])
        await bob.say("Bye", room["id"])
        assert (await (await under_test.guest("Bob")).post("sign-out")).status_code == 204
        [rooms] = await ada.news(
            "RoomsChanged", lambda rooms: any(each["isPair"] and each["isArchived"] for each in rooms)
        )
        [left] = [each for each in rooms if each["isPair"]]
        assert (left["name"], [each["name"] for each in left["members"]]) == ("Bob", ["Ada"])
        gone = "Bob is gone, and nothing new can be written here."
        assert await refusal(ada, "SendMessage", room["id"], "x", "Are you there?") == gone
        assert await refusal(ada, "CreatePair", bob.me["id"]) == "This person is not here any more."
        assert [message["text"] for message in (await ada.join(room["id"]))["messages"]] == ["Bye"]
        assert "belongs to both" in await refusal(ada, "ArchiveRoom", room["id"], False)
        await ada.client.invoke("DeleteRoom", room["id"])
        assert under_test.chat.rooms.get(room["id"]) is None
