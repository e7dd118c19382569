"""The addresses of the AI SDK's chat: whose run it is, what joins one, and what is no request."""

import json
from typing import Any

import pytest

from hubline import HubError
from hubline.runs import ChatRequest, Run, Runs, StartedRun, chat_routes
from hubline.testing import settle
from tests.runs.http.events import Site
from tests.runs.http.test_routes import Model, by_query
from tests.runs.viewer import clocked


class Chats:
    """A site with the addresses, and what was asked."""

    def __init__(self, **options: Any) -> None:
        self.runs, self.clock = clocked(merge=0, authenticate=by_query, **options)
        self.model = Model()
        self.asked: list[ChatRequest] = []
        self.site = Site(self.runs)
        self.site.app.router.routes += chat_routes(self.runs, self.start, maximum_body=10_000)

    async def start(self, chat: ChatRequest) -> StartedRun:
        self.asked.append(chat)
        if chat.text == "refused":
            raise HubError("Not this.")
        if chat.text == "broken":
            raise RuntimeError("secret detail")
        return await chat.start(self.answer, chat.text)

    async def answer(self, run: Run, prompt: str) -> None:
        await self.model.answer(run)

    async def post(self, user: str | None = "ada", **sent: Any) -> Any:
        """The stream, of which the headers have come; or the whole answer, where there is none."""
        session = self.site._open("POST", "/api/chat", {"user": user} if user else {}, request(**sent), {})
        start = await session.next()
        assert start is not None
        return session, start["status"]

    async def resume(self, chat_id: str = "c", user: str | None = "ada") -> int:
        stream = await self.site.events(f"/api/chat/{chat_id}/stream", query={"user": user} if user else {})
        await stream.leave()
        return stream.status


def request(text: str = "hello", message: str = "m1", **more: Any) -> dict[str, Any]:
    parts = [{"type": "text", "text": text}, {"type": "file", "url": "data:,"}]
    return {
        "id": "c",
        "messages": [{"id": message, "role": "user", "parts": parts}],
        "trigger": "submit-message",
        **more,
    }


async def active(runs: Runs) -> int:
    await settle()
    return runs.statistics()["active"]


@pytest.mark.rule("H2", "R9")
async def test_the_same_message_joins_and_another_request_does_not() -> None:
    chats = Chats()
    for sent, count in (
        ({}, 1),
        ({}, 1),
        ({"message": "m2"}, 2),
        ({"trigger": "regenerate-message", "messageId": "a1"}, 3),
        ({"trigger": "regenerate-message", "messageId": "a1"}, 4),
        ({"text": "edited", "messageId": "m1"}, 5),
    ):
        session, status = await chats.post(**sent)
        assert (status, await active(chats.runs)) == (200, count)
        session.leave(1000)
    _, status = await chats.post(text="other")
    assert status == 409
    await chats.runs.drain()


@pytest.mark.rule("H2", "R22")
async def test_a_chat_goes_on_for_whoever_may_see_its_run() -> None:
    chats = Chats()
    assert await chats.resume() == 204
    await chats.post()
    assert [await chats.resume(user=user) for user in ("ada", "bob", None)] == [200, 204, 204]
    assert await chats.resume("other") == 204
    chats.model.say("a", None)
    await settle()
    assert await chats.resume() == 204


@pytest.mark.rule("H2", "R9", "R11")
async def test_strangers_are_told_apart_by_their_chats() -> None:
    chats = Chats()
    runs = []
    for chat in ("c", "d"):
        await chats.post(user=None, id=chat)
        runs += await chats.runs.room_runs(chat)
    assert len({run.id for run in runs}) == 2
    assert await chats.resume(user=None) == 200
    await chats.runs.drain()


@pytest.mark.rule("H2")
async def test_what_start_refuses_is_409_in_its_words() -> None:
    answer = await Chats().site.ask("POST", "/api/chat", body=request("refused"))
    assert (answer.status, json.loads(answer.body)) == (409, {"error": "Not this."})


@pytest.mark.rule("H2")
async def test_a_failure_of_start_is_500_in_neutral_words(caplog: pytest.LogCaptureFixture) -> None:
    answer = await Chats().site.ask("POST", "/api/chat", body=request("broken"))
    assert (answer.status, b"secret" in answer.body) == (500, False)
    assert "secret detail" in caplog.text


@pytest.mark.rule("H2")
@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"messages": [{}]}, 400),
        ({"id": "c"}, 400),
        ({"id": "c", "messages": []}, 400),
        ({"id": "c", "messages": ["hello"]}, 400),
        ({"id": 1, "messages": [{}]}, 400),
        ({"id": "c", "messages": [{"text": "x" * 20_000}]}, 413),
    ],
)
async def test_what_is_no_request_of_a_chat(body: Any, status: int) -> None:
    chats = Chats()
    answer = await chats.site.ask("POST", "/api/chat", body=body)
    assert answer.status == status
    assert list(json.loads(answer.body)) == ["error"]
    assert chats.asked == []


@pytest.mark.rule("H2")
async def test_a_page_of_another_origin_cannot_ask_unasked() -> None:
    chats = Chats()
    answer = await chats.site.ask("POST", "/api/chat", body=json.dumps(request()).encode(), content_type="text/plain")
    assert (answer.status, chats.asked) == (415, [])


@pytest.mark.rule("H2")
@pytest.mark.parametrize("message", [{}, {"parts": "x"}, {"parts": [1, {"type": "text", "text": 2}]}])
async def test_a_message_without_text_has_none(message: Any) -> None:
    chats = Chats()
    await chats.post(messages=[message])
    assert [(chat.text, chat.id, chat.trigger) for chat in chats.asked] == [("", "c", "submit-message")]
    await chats.runs.drain()


@pytest.mark.rule("H2")
async def test_a_text_that_was_cut_within_a_character_is_answered() -> None:
    chats = Chats()
    message = {"id": "m\ud83d", "role": "user", "parts": [{"type": "text", "text": "Hello \ud83d"}]}
    _, status = await chats.post(id="c\ud83d", messages=[message])
    assert status == 200
    assert [(chat.text, chat.id) for chat in chats.asked] == [("Hello \ufffd", "c\ufffd")]
    await chats.runs.drain()
