"""What is left of people whose accounts are removed: on open pages, in memory and in the store."""

from collections.abc import Callable

import pytest

from apps.chat.tests.harness import JSON, ChatUnderTest, Gate, Page, chat
from hubline_chat.removals import REMOVED


async def remove_own(under_test: ChatUnderTest, name: str, messages: str) -> None:
    browser = await under_test.guest(name)
    wrong = await browser.post("account/remove", password="wrong", messages=messages)
    assert (wrong.status_code, wrong.json()["code"]) == (401, "wrong-password")
    done = await browser.post("account/remove", password=f"secret of {name}", messages=messages)
    assert done.status_code == 204
    assert (await browser.post("token")).status_code == 401
    assert (await browser.post("sign-in", name=name, password=f"secret of {name}")).json()["code"] == "wrong-password"


async def said_before(under_test: ChatUnderTest) -> tuple[Page, Page]:
    """Ada has asked, answered in a thread, reacted, and talked with Bob alone; returns both pages."""
    await under_test.member("Ada")
    ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
    first = await ada.say("Hello from Ada")
    await bob.client.invoke("SendMessage", "general", "reply", "I agree", [], first["id"])
    other = await bob.say("Mine")
    await ada.client.invoke("React", other["id"], "👍", True)
    await ada.ask("Why?")
    await ada.ended()
    pair = await ada.client.invoke("CreatePair", bob.me["id"])
    await ada.say("Between us", room=pair["id"])
    await ada.client.invoke("CreateRoom", "Mine alone", True)
    return ada, bob


def names(messages: list[JSON]) -> set[str]:
    return {each["author"]["name"] for each in messages}


@pytest.mark.parametrize("messages", ["keep", "delete"])
async def test_a_removed_person_is_taken_out_of_everything_that_was_said(
    new_url: Callable[[], str], messages: str
) -> None:
    database = new_url()
    async with chat(database=database) as under_test:
        ada, bob = await said_before(under_test)
        await remove_own(under_test, "Ada", messages)
        await ada.client.closed()
        [person, is_erased] = await bob.client.expect("PersonRemoved")
        assert (person["id"], person["name"], is_erased) == (ada.me["id"], REMOVED, messages == "delete")
        pair = (await bob.news("RoomsChanged", lambda rooms: any(room["isArchived"] for room in rooms)))[0][-1]
        assert pair["name"] == REMOVED
        kept = (await bob.join())["messages"]
    async with chat(database=database) as again:  # the store says the same as the memory did
        bob = await again.enter("Bea", room=None)
        stored = (await bob.join())["messages"]
        mine = [each for each in stored if each["author"]["id"] == ada.me["id"]]
        for found in (kept, stored):
            assert "Ada" not in names(found)
            hello, reply, other, question, answer = found
            assert hello["author"] == question["author"]
            assert answer["answer"]["askedBy"]["name"] == REMOVED
            assert answer["text"] == "Hello"
            if messages == "keep":
                assert (hello["text"], hello["author"]["name"], hello["isDeleted"]) == (
                    "Hello from Ada",
                    REMOVED,
                    False,
                )
                assert (reply["quote"]["authorName"], reply["quote"]["text"]) == (REMOVED, "Hello from Ada")
                assert other["reactions"] == [{"emoji": "👍", "people": [{"id": ada.me["id"], "name": REMOVED}]}]
            else:
                assert (hello["text"], hello["isDeleted"], question["isDeleted"]) == ("", True, True)
                assert reply["quote"]["isDeleted"] is True
                assert other["reactions"] == []
        assert [each["id"] for each in mine] == [kept[0]["id"], kept[3]["id"]]
        searched = await bob.client.invoke("Search", "Ada")
        assert [each["author"]["name"] for each in searched["found"]] == ([REMOVED] if messages == "keep" else [])


async def test_who_was_away_hears_of_it_with_the_changes_of_the_room() -> None:
    async with chat() as under_test:
        _, bob = await said_before(under_test)
        joined = await bob.join()
        last, heard = joined["messages"][-1]["seq"], joined["messages"][-1]["answer"]["endedAt"]
        await bob.client.invoke("LeaveRoom", "general")
        await remove_own(under_test, "Ada", "keep")
        changed = (await bob.client.invoke("OpenRoom", "general", last, heard))["changed"]
        assert [each["author"]["name"] for each in changed if each["text"] == "Hello from Ada"] == [REMOVED]


async def test_an_answer_that_grows_for_a_removed_person_stops_without_the_name() -> None:
    gate = Gate()
    async with chat(["One ", "two ", "three"], gate=gate) as under_test:
        await under_test.member("Ada")
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        await ada.ask("Count")
        watched = bob.watch(await bob.answer())
        gate.let(1)
        await watched.said("One ")
        await remove_own(under_test, "Ada", "keep")
        text, answer = await bob.ended()
        assert (text.strip(), answer["state"], answer["askedBy"]["name"]) == ("One", "stopped", REMOVED)
        await watched.close()
