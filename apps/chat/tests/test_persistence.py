"""What is still there after a restart, and what happens when it cannot be stored."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy.exc import IntegrityError

from apps.chat.tests.harness import ChatUnderTest, Gate, OtherProgram, Page, chat
from apps.chat.tests.test_hubs import refusal
from hubline.models import ScriptedModel
from hubline_chat.contract import AnswerState, Message
from hubline_chat.store import Store


async def test_rooms_messages_and_sessions_survive_a_restart(tmp_path: Path) -> None:
    async with chat(["Because."], data=tmp_path) as under_test:
        browser = await under_test.guest("Ada")
        ada = await under_test.enter("Ada")
        room = await ada.client.invoke("CreateRoom", "Secret", True)
        await ada.join(room["id"])
        await ada.ask("Why?", room["id"])
        await ada.ended()
        before = (await ada.join(room["id"]))["messages"]
        cookie = browser.http.cookies
    async with chat(data=tmp_path) as under_test:
        browser = under_test.browser(cookies=cookie)
        client = await under_test.connect(browser)
        entered = await client.invoke("Enter")
        assert [each["name"] for each in entered["rooms"]][-1] == "Secret"
        joined = await client.invoke("OpenRoom", room["id"], None)
        assert (joined["messages"], joined["room"]["lastSeq"]) == (before, 2)
        assert joined["messages"][1]["answer"]["state"] == "completed"
        # A page that was there before goes on where it was, and numbers go on too.
        again = await client.invoke("OpenRoom", room["id"], 1)
        assert ([each["seq"] for each in again["messages"]], again["reset"]) == ([2], False)
        assert (await client.invoke("SendMessage", room["id"], "x", "more"))["seq"] == 3


async def test_a_message_sent_again_after_a_restart_is_said_once(tmp_path: Path) -> None:
    async with chat(data=tmp_path) as under_test:
        cookie = (await under_test.guest("Ada")).http.cookies
        first = await (await under_test.enter("Ada")).say("hello", message_id="m1")
    async with chat(data=tmp_path) as under_test:
        client = await under_test.connect(under_test.browser(cookies=cookie))
        await client.invoke("Enter")
        assert await client.invoke("SendMessage", "general", "m1", "hello") == first
        assert (await client.invoke("SendMessage", "general", "m2", "hello"))["seq"] == 2


@asynccontextmanager
async def half_told(
    gate: Gate, data: Path, other: OtherProgram | None = None
) -> AsyncIterator[tuple[ChatUnderTest, Page]]:
    """An answer whose first piece has been told, and whose second waits for `gate`."""
    async with chat(["Once ", "upon"], gate=gate, data=data, other=other) as under_test:
        ada = await under_test.enter("Ada")
        await ada.ask("A story!")
        gate.let()
        await ada.watch(await ada.answer()).said("Once ")
        yield under_test, ada


async def test_an_answer_cut_by_the_end_of_the_process_keeps_its_text_and_says_so(tmp_path: Path) -> None:
    gate = Gate()
    async with half_told(gate, tmp_path) as (under_test, _):
        await under_test.chat.assistant.save()
        # What a process that is killed now leaves behind:
        with sqlite3.connect(tmp_path / "hubline-chat.db") as now, sqlite3.connect(tmp_path / "killed.db") as left:
            now.backup(left)
        now.close()
        left.close()
    async with chat(data=tmp_path, database=f"sqlite:///{tmp_path / 'killed.db'}") as under_test:
        bob = await under_test.enter("Bob")
        answer = (await bob.join())["messages"][-1]
        assert (answer["text"], answer["answer"]["state"]) == ("Once ", "interrupted")
        assert answer["answer"]["error"] == "A server restart interrupted the answer."


async def test_the_end_of_the_server_stores_how_its_answers_ended(tmp_path: Path) -> None:
    gate = Gate()
    async with half_told(gate, tmp_path):
        pass
    store = Store(f"sqlite:///{tmp_path / 'hubline-chat.db'}")
    [_, answer] = await store.messages.newest("general", 10)
    await store.close()
    assert answer.answer is not None
    assert (answer.text, answer.answer.state) == ("Once ", AnswerState.INTERRUPTED)


async def test_what_cannot_be_stored_is_told_to_its_author_and_to_nobody_else(tmp_path: Path) -> None:
    model, other = ScriptedModel(["Because."]), OtherProgram(tmp_path)
    async with chat(model=model, data=tmp_path, other=other) as under_test:
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        async with other.writing():
            refused = "The server cannot store anything at the moment. Try again later."
            assert await refusal(ada, "SendMessage", "general", "m1", "hello") == refused
            assert await refusal(ada, "Ask", "general", "m2", "Why?") == refused
            assert await refusal(ada, "CreateRoom", "New") == refused
            await bob.client.expect_nothing()
        # Sent again under the same ids, as pages do, it is said; nothing counts as an open question.
        assert (await ada.say("hello", message_id="m1"))["seq"] == 1
        await ada.client.invoke("Ask", "general", "m2", "Why?")
        assert (await ada.ended())[0] == "Because."
        assert len(model.seen) == 1


async def test_an_answer_grows_on_while_the_database_is_locked_and_is_stored_later(tmp_path: Path) -> None:
    gate, other = Gate(), OtherProgram(tmp_path)
    async with half_told(gate, tmp_path, other) as (under_test, ada):
        async with other.writing():
            gate.let()
            assert (await ada.ended())[0] == "Once upon"
            await under_test.chat.journal.flush()
        await under_test.chat.journal.flush()
        assert [each.text for each in await under_test.store.messages.newest("general", 1)] == ["Once upon"]


async def test_one_that_contradicts_the_database_does_not_keep_others_from_being_stored() -> None:
    async with chat() as under_test:
        ada = await under_test.enter("Ada")
        first = await ada.say("first", message_id="m1")
        state = under_test.chat
        room = state.rooms.find("general", "")
        [known] = await under_test.store.messages.newest("general", 1)

        async def tell(messages: Sequence[Message]) -> Sequence[Message]:
            return messages

        results = await asyncio.gather(
            state.journal.post(room, [known], tell),
            ada.say("second"),
            return_exceptions=True,
        )
        assert isinstance(results[0], IntegrityError)
        assert isinstance(results[1], dict)
        assert results[1]["seq"] == first["seq"] + 1


async def test_the_whole_chat_runs_on_every_database(database_url: str) -> None:
    async with chat(["Because."], database=database_url) as under_test:
        await under_test.member("Ada")
        ada = await under_test.enter("Ada")
        await ada.client.invoke("CreateRoom", "Secret", True)
        await ada.say("@ai Why?")
        assert (await ada.ended())[0] == "Because."
    async with chat(database=database_url) as under_test:
        bob = await under_test.enter("Bob", room=None)
        joined = await bob.join()
        assert [each["text"] for each in joined["messages"]] == ["@ai Why?", "Because."]
        assert [room["name"] for room in (await bob.enter())["rooms"]] == ["General", "Ask the assistant", "Off topic"]
