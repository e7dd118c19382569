"""Tools of an answer: used, shown, agreed to by people, bounded, kept, and told to the model."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from apps.chat.tests.files.test_files import send, uploaded
from apps.chat.tests.harness import JSON, ChatUnderTest, Gate, Page, Watched, chat, turns
from apps.chat.tests.test_hubs import refusal
from apps.chat.tests.tools.test_mcp import file_of_notes
from hubline.models import Delta, Message, ScriptedModel, StopReason, ToolCall
from hubline_chat.tools import mcp_servers, toolbox
from hubline_chat.tools.tool import Arguments, Place, RoomTool, ToolError, texts

NO_RUN = "The run does not exist."
Answerer = Callable[[Sequence[Message]], list[Any]]


def asks(*calls: tuple[str, Any], text: str = "") -> list[Any]:
    """What a model says that asks for tools. Endpoints count the ids of calls anew in each answer."""
    made = tuple(
        ToolCall(f"call_{number}", name, arguments if isinstance(arguments, str) else json.dumps(arguments))
        for number, (name, arguments) in enumerate(calls)
    )
    return [*([text] if text else []), Delta(tool_calls=made, stop=StopReason.TOOLS)]


def scripted(*answers: list[Any]) -> ScriptedModel:
    """A model that gives these answers, one after the other."""
    left = iter(answers)
    return ScriptedModel(lambda _: next(left))


class Notes:
    """A tool that writes."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.tool = RoomTool("note", "Add a note", "Adds.", texts(text="What."), self._use, server="Notes")

    async def _use(self, place: Place, arguments: Arguments) -> str:
        if arguments["text"] == "bad":
            raise ToolError("It is full.")
        self.written.append(arguments["text"])
        return f"Added: {arguments['text']}"

    def given_to(self, under_test: ChatUnderTest) -> None:
        provided = under_test.chat._tools
        under_test.chat.assistant._toolbox._provided = lambda: [*provided(), self.tool]


def told(answer: JSON) -> list[tuple[Any, ...]]:
    """The tools of an answer in short."""
    return [(use["name"], use["state"], use["output"] or use["errorText"]) for use in answer["tools"]]


async def test_a_tool_that_only_reads_is_used_at_once_and_its_result_told_to_the_model() -> None:
    model = scripted(asks(("calculator", {"expression": "6 * 7"}), text="Let me see."), ["It is 42."])
    async with chat(model=model, model_tools=True) as under_test:
        ada = await under_test.enter("Ada")
        await ada.ask("What is 6 * 7?")
        text, answer = await ada.ended()
        assert (text, answer["state"]) == ("Let me see.\n\nIt is 42.", "completed")
        assert told(answer) == [("calculator", "output-available", "42")]
        [use] = answer["tools"]
        assert (use["title"], use["input"], use["at"]) == ("Calculator", {"expression": "6 * 7"}, len("Let me see."))
        assert [tool.name for tool in model.offered[0]] == ["calculator", "search_room"]
        *_, called, result = model.seen[1]
        assert (called.role, called.content, called.tool_calls[0].name) == ("assistant", "Let me see.", "calculator")
        assert (result.role, result.content, result.tool_call_id) == ("tool", "42", called.tool_calls[0].id)


async def test_the_search_finds_what_was_said_in_this_room_and_in_no_other() -> None:
    model = scripted(asks(("search_room", {"words": "secret plan"})), ["Found."])
    async with chat(model=model, model_tools=True) as under_test:
        ada = await under_test.enter("Ada")
        await ada.say("The secret plan is tea.")
        await ada.join("off-topic")
        await ada.say("Another secret plan.", "off-topic")
        await ada.ask("What was the secret plan?")
        _, answer = await ada.ended()
        [(_, state, output)] = told(answer)
        assert (state, output.split(":\n")[1]) == ("output-available", "The secret plan is tea.")
        assert output.startswith("Ada, ")


async def test_the_search_finds_files_by_their_names_and_tells_them(tmp_path: Path) -> None:
    model = scripted(asks(("search_room", {"words": "heron"})), ["Found."])
    async with chat(model=model, model_tools=True, data=tmp_path) as under_test:
        ada, browser = await under_test.enter("Ada"), await under_test.guest("Ada")
        await send(ada, [await uploaded(browser, "Heron plan.txt", b"tea")], "Look at this")
        await ada.ask("Which bird?")
        _, answer = await ada.ended()
        [(_, _, output)] = told(answer)
        assert output.split(":\n")[1] == "Look at this\n[File: Heron plan.txt]"


async def test_what_cannot_be_used_is_an_error_for_the_model_and_the_answer_goes_on() -> None:
    calls: tuple[tuple[str, Any], ...] = (
        ("calculator", {"expression": "1/0"}),
        ("calculator", "no JSON"),
        ("calculator", {}),
        ("missing", {}),
        ("calculator", {"expression": "x" * 9_000}),
    )
    async with chat(model=scripted(asks(*calls), ["Well."]), model_tools=True) as under_test:
        ada = await under_test.enter("Ada")
        await ada.ask("Why?")
        text, answer = await ada.ended()
        assert (text, [error for _, state, error in told(answer) if state == "output-error"]) == (
            "Well.",
            [
                "It divides by zero.",
                "The arguments are not a JSON object, or too large.",
                "The argument expression is missing: it must be a text.",
                "There is no tool called missing.",
                "The arguments are not a JSON object, or too large.",
            ],
        )


async def asked_to_add(under_test: ChatUnderTest, *pages: Page, text: str = "tea") -> tuple[JSON, JSON, Watched]:
    """The answer that wants to add a note, the question to people, and the run as the last page watches it."""
    await pages[0].ask("Add a note.")
    answer = await pages[-1].answer()
    watched = pages[-1].watch(answer)
    return answer, await watched.next("ask"), watched


async def decide(page: Page, answer: JSON, ask: JSON, value: bool) -> None:
    await page.client.invoke("AnswerRun", answer["answer"]["runId"], ask["askId"], value)


async def test_before_a_tool_writes_a_person_agrees_in_whatever_browser() -> None:
    model = scripted(asks(("note", {"text": "tea"}), ("calculator", {"expression": "1+1"})), ["Done."])
    notes = Notes()
    async with chat(model=model, model_tools=True) as under_test:
        notes.given_to(under_test)
        await under_test.member("Ada")
        ada, phone, bob = [await under_test.enter(name) for name in ("Ada", "Ada", "Bob")]
        answer, ask, watched = await asked_to_add(under_test, ada, bob)
        assert ask["prompt"] == "Use Add a note of Notes?"
        assert notes.written == []
        assert await refused(bob, answer, ask) == NO_RUN
        # Who comes later finds the question.
        assert (await phone.watch(answer).next("ask"))["askId"] == ask["askId"]
        await decide(phone, answer, ask, True)
        await watched.end()
        text, ended = await ada.ended()
        assert (text, notes.written) == ("Done.", ["tea"])
        assert told(ended) == [("note", "output-available", "Added: tea"), ("calculator", "output-available", "2")]
        assert (ended["tools"][0]["decidedBy"], ended["tools"][0]["server"]) == ("Ada", "Notes")
        assert [turn.content for turn in model.seen[1][-2:]] == ["Added: tea", "2"]


async def refused(page: Page, answer: JSON, ask: JSON) -> str:
    return await refusal(page, "AnswerRun", answer["answer"]["runId"], ask["askId"], True)


async def test_what_is_declined_is_not_done_and_the_model_is_told() -> None:
    model = scripted(asks(("note", {"text": "tea"})), ["As you like."])
    notes = Notes()
    async with chat(model=model, model_tools=True) as under_test:
        notes.given_to(under_test)
        await under_test.member("Ada")
        ada = await under_test.enter("Ada")
        answer, ask, _ = await asked_to_add(under_test, ada)
        await decide(ada, answer, ask, False)
        text, ended = await ada.ended()
        assert (text, notes.written, told(ended)) == ("As you like.", [], [("note", "output-denied", None)])
        assert "declined" in turns(model)[-1][1]


async def test_guests_do_not_decide_in_rooms_of_others() -> None:
    notes = Notes()
    async with chat(model=scripted(asks(("note", {"text": "tea"})), ["Done."]), model_tools=True) as under_test:
        notes.given_to(under_test)
        await under_test.member("Root", role="admin")
        bob, root = await under_test.enter("Bob"), await under_test.enter("Root")
        answer, ask, _ = await asked_to_add(under_test, bob, root)
        assert await refused(bob, answer, ask) == NO_RUN
        await decide(root, answer, ask, True)
        assert (await bob.ended())[0] == "Done."
        assert notes.written == ["tea"]


async def test_without_a_decision_in_time_nothing_is_done(monkeypatch: Any) -> None:
    monkeypatch.setattr(toolbox, "WAIT_SECONDS", 0.05)
    notes = Notes()
    async with chat(model=scripted(asks(("note", {"text": "tea"})), ["Well."]), model_tools=True) as under_test:
        notes.given_to(under_test)
        await under_test.member("Ada")
        ada = await under_test.enter("Ada")
        await ada.ask("Add a note.")
        text, ended = await ada.ended()
        [use] = ended["tools"]
        assert (text, notes.written, use["state"], use["timedOut"]) == ("Well.", [], "output-error", True)


async def test_a_tool_that_hangs_times_out() -> None:
    notes = Notes()
    gate = Gate()

    async def hang(place: Place, arguments: Arguments) -> str:
        await gate(0)
        return ""

    async with chat(model=scripted(asks(("slow", {})), ["Well."]), model_tools=True) as under_test:
        notes.tool = RoomTool("slow", "Slow", "Waits.", texts(), hang, is_safe=True, seconds=0.05)
        notes.given_to(under_test)
        ada = await under_test.enter("Ada")
        await ada.ask("Wait.")
        text, ended = await ada.ended()
        [use] = ended["tools"]
        assert (text, use["errorText"], use["timedOut"]) == ("Well.", "There was no result after 0.05 s.", True)


async def test_rounds_and_results_are_bounded(monkeypatch: Any) -> None:
    monkeypatch.setattr(toolbox, "RESULT", 5)
    again = asks(("calculator", {"expression": "10^9"}))
    model = ScriptedModel(lambda turns: again if model.offered[-1] else ["Enough."])
    async with chat(model=model, model_tools=True, guest_tokens=None) as under_test:
        ada = await under_test.enter("Ada")
        await ada.ask("Compute.")
        text, ended = await ada.ended()
        assert text == "Enough."
        assert told(ended) == [("calculator", "output-available", "10000 […cut]")] * toolbox.ROUNDS
        assert [bool(offered) for offered in model.offered] == [True] * toolbox.ROUNDS + [False]
        # Each round is a turn of its own in what the model is told.
        assert [turn.role for turn in model.seen[-1][-4:]] == ["assistant", "tool"] * 2


async def test_a_server_that_dies_while_a_person_decides_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    notes = Notes()
    async with chat(
        model=scripted(asks(("note", {"text": "tea"}), text="I add it.")), model_tools=True, data=tmp_path
    ) as under_test:
        notes.given_to(under_test)
        await under_test.member("Ada")
        ada = await under_test.enter("Ada")
        answer, _, _ = await asked_to_add(under_test, ada)
        await under_test.chat.assistant.save()
    async with chat(model=scripted(["Done."]), model_tools=True, data=tmp_path) as under_test:
        notes.given_to(under_test)
        browser = under_test.browser()
        await browser.user("sign-in", name="Ada", password="secret of Ada")
        ada = Page(await under_test.connect(browser))
        await ada.enter()
        [_, message] = (await ada.join())["messages"]
        assert (message["text"], message["answer"]["state"]) == ("I add it.", "interrupted")
        assert told(message["answer"]) == [("note", "approval-requested", None)]
        await ada.client.invoke("GoOn", answer["id"])
        [begun] = await ada.client.expect("MessageChanged")
        ask = await ada.watch(begun).next("ask")
        await decide(ada, begun, ask, True)
        text, ended = await ada.ended()
        assert (text, notes.written) == ("I add it.\n\nDone.", ["tea"])
        assert told(ended) == [("note", "output-available", "Added: tea")]


async def test_an_answer_that_begins_before_the_servers_are_connected_to_waits_for_their_tools(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(mcp_servers, "CONNECT_SECONDS", 60.0)  # a busy machine imports the SDK for longer
    model = ScriptedModel(["Hello."])
    async with chat(model=model, model_tools=True, mcp=file_of_notes(tmp_path)) as under_test:
        await under_test.member("Ada")
        ada = await under_test.enter("Ada")
        await ada.ask("Why?")
        await ada.ended()
        assert "notes_add_note" in [tool.name for tool in model.offered[0]]


async def test_models_without_tools_are_offered_none() -> None:
    model = ScriptedModel(["Hello."])
    async with chat(model=model) as under_test:
        ada = await under_test.enter("Ada")
        entered = await ada.enter()
        assert entered["assistant"]["tools"] == []
        await ada.ask("Why?")
        await ada.ended()
        assert model.offered == [()]
