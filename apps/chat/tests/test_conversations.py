"""Private conversations with the assistant: of one person, titled by the model."""

from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest

from apps.chat.tests.harness import Page, chat
from apps.chat.tests.test_hubs import refusal
from hubline import HubError
from hubline.models import Delta, Fault, Message, ModelError
from hubline_chat.room import UNTITLED
from hubline_chat.rooms import CONVERSATIONS
from hubline_chat.titles import WANTED, cleaned, shortened


class Namer:
    """A model that answers, and finds titles."""

    name = "namer"

    def __init__(self, title: str | None) -> None:
        self.title = title
        self.wanted: list[str] = []

    async def stream(self, messages: Sequence[Message]) -> AsyncGenerator[Delta, None]:
        question = messages[-1].content
        if question.startswith(WANTED):
            self.wanted.append(question)
            if self.title is None:
                raise ModelError(self.name, Fault.UNREACHABLE, "The model is gone")
            yield Delta(self.title)
        else:
            yield Delta("Because.")


async def begin(page: Page) -> str:
    return str((await page.client.invoke("CreateConversation"))["id"])


async def titled(page: Page, name: str) -> None:
    await page.news("RoomsChanged", lambda rooms: [each["name"] for each in rooms if each["isConversation"]] == [name])


async def test_a_plain_message_asks_and_the_model_finds_a_title(database_url: str, tmp_path: Path) -> None:
    model = Namer('<think>Blue…\nsky</think>\n**Title: "Why the sky is blue"**\nIs that fine?')
    async with chat(model=model, database=database_url, data=tmp_path) as under_test:
        ada = await under_test.enter("Ada")
        room = await begin(ada)
        assert await begin(ada) == room  # nothing was said in it
        joined = await ada.join(room)
        assert (joined["room"]["name"], joined["room"]["asks"], joined["room"]["isPrivate"]) == (UNTITLED, True, True)
        await ada.say("Why is the sky  blue,\nand the sun yellow in the evening?", room)
        assert (await ada.ended())[0] == "Because."
        await titled(ada, "Why the sky is blue")
        await ada.say("And the sea?", room)
        await ada.ended()
        assert len(model.wanted) == 1
        assert await begin(ada) != room
    async with chat(model=model, database=database_url, data=tmp_path) as under_test:
        kept = [each for each in under_test.chat.rooms.all() if each.is_conversation]
        assert [(each.name, each.is_untitled, each.asks) for each in kept] == [
            ("Why the sky is blue", False, True),
            (UNTITLED, True, True),
        ]


async def test_without_a_title_it_is_called_after_its_question(tmp_path: Path) -> None:
    async with chat(model=Namer(None), data=tmp_path) as under_test:
        ada = await under_test.enter("Ada")
        room = await begin(ada)
        await ada.join(room)
        await ada.say("Why is the sky blue, and the sun yellow in the evening?", room)
        await titled(ada, "Why is the sky blue, and the sun yellow…")
        await ada.ended()
        await ada.client.invoke("ChangeRoom", room, "Sky", "")
        await titled(ada, "Sky")


async def test_it_is_renamed_searched_and_deleted_and_nobody_else_sees_it(tmp_path: Path) -> None:
    model = Namer("A title of the model")
    async with chat(model=model, data=tmp_path) as under_test:
        await under_test.member("Root", role="admin")
        ada, root = await under_test.enter("Ada"), await under_test.enter("Root")
        room = await begin(ada)
        await ada.join(room)
        renamed = await ada.client.invoke("ChangeRoom", room, "General", "")
        assert renamed["name"] == "General"  # as a room is called: that is no matter
        await ada.say("A secret lighthouse?", room)
        await ada.ended()
        assert len((await ada.client.invoke("Search", "lighthouse"))["found"]) == 1
        assert (await root.client.invoke("Search", "lighthouse"))["found"] == []
        for method, *arguments in (("OpenRoom", room), ("DeleteRoom", room), ("SendMessage", room, "m1", "hello")):
            assert await refusal(root, method, *arguments) == "This room does not exist."
        assert await refusal(ada, "AddMember", room, "Root") == "A conversation with the assistant is yours alone."
        assert await root.client.invoke("CreateRoom", "Sky", False)
        await ada.client.invoke("DeleteRoom", room)
        assert list(await ada.client.expect("RoomGone")) == [room, "You have deleted General."]
        assert (await ada.client.invoke("Search", "lighthouse"))["found"] == []
        assert model.wanted == []  # it had a name


async def test_one_person_has_only_so_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubline_chat.rooms.CONVERSATIONS", 1)
    async with chat(model=Namer("Title"), data=tmp_path, rooms_per_person=1) as under_test:
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        room = await begin(ada)
        await ada.join(room)
        await ada.say("Why?", room)
        assert "conversations already" in await refusal(ada, "CreateConversation")
        assert await ada.client.invoke("CreateRoom", "Mine", False)  # conversations are no rooms of theirs
        await begin(bob)
        assert CONVERSATIONS == 100


async def test_its_runs_are_watched_by_their_starter(tmp_path: Path) -> None:
    async with chat(model=Namer("Title"), data=tmp_path) as under_test:
        ada = await under_test.enter("Ada")
        room = await begin(ada)
        watched = ada.client.stream("WatchRuns", None)
        assert (await anext(watched))["kind"] == "runs"
        await ada.say("Why?", room)
        states = []
        async for item in watched:
            assert item["info"]["room"] == room
            states.append(item["info"]["state"])
            if item["info"]["state"] == "completed":
                break
        assert "running" in states
        await watched.aclose()


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ("Sky and sea", "Sky and sea"),
        ("\n  ## Title: “Sky” \nMore", "Sky"),
        ("<think>no end", None),
        ("", None),
        ("***", None),
        ("One two three four five six seven eight nine ten", "One two three four five six seven eight…"),
        ("x" * 60, "x" * 39 + "…"),
    ],
)
def test_a_title_is_one_short_line(said: str, title: str | None) -> None:
    if title is None:
        with pytest.raises(HubError):
            cleaned(said)
    else:
        assert cleaned(said) == title


def test_the_beginning_of_a_question_is_a_name() -> None:
    assert shortened("Why\nis\tit\u202e so?") == "Why is it so?"
