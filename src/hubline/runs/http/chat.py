"""The two addresses that the AI SDK's `useChat` expects, by `DefaultChatTransport` of `ai` 7."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hubline import HubError
from hubline.connection import ConnectionScope
from hubline.runs.http.requests import Answered, answering, body, must_be_json, permitted, problem, sender
from hubline.runs.http.routes import caller_of
from hubline.runs.hub import CallerRuns
from hubline.runs.info import Caller
from hubline.runs.service import Runs
from hubline.runs.starting import StartedRun

DIALECT = "ui-message-stream"

BODY = 8_388_608
"""Bytes of a request, which contains the whole conversation, with files. Ours."""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """The request of `useChat` for an answer."""

    id: str
    """The id of the chat. Its runs are in the room of this name."""
    messages: list[dict[str, Any]]
    """The conversation as the client has it, its newest message last. It comes from the client: check what matters."""
    trigger: str
    """`submit-message` or `regenerate-message`."""
    message_id: str | None
    """The message that is sent again or to be made again; `None` for a new one."""
    body: Mapping[str, Any]
    """The whole body, with the fields that the page has added."""
    scope: ConnectionScope
    """The request, and its sender."""
    caller: Caller
    """The account that starts runs: the user, or this chat for anonymous users."""
    runs: Runs
    """Where runs are started."""

    @property
    def text(self) -> str:
        """The text of the newest message."""
        parts = self.messages[-1].get("parts")
        found = [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
        return "".join(
            part["text"] for part in found if part.get("type") == "text" and isinstance(part.get("text"), str)
        )

    async def start(self, function: Callable[..., Any], /, *arguments: Any, **options: Any) -> StartedRun:
        """As `Runs.start`, for the sender, in the chat's room. A repeated new message joins its run.

        Raises the errors of `Runs.start`.
        """
        newest = self.messages[-1].get("id")
        if self.trigger == "submit-message" and self.message_id is None and isinstance(newest, str):
            options.setdefault("key", f"{self.id} {newest}")
        return await CallerRuns(self.runs, self.caller).start(function, *arguments, room=self.id, **options)


def chat_routes(
    runs: Runs,
    start: Callable[[ChatRequest], Awaitable[StartedRun]],
    path: str = "/api/chat",
    *,
    maximum_body: int = BODY,
) -> list[Route]:
    """Routes for an unmodified `useChat({resume: true})`: one asks for an answer, the other is for a reloaded page.

    `start` begins the answer and returns its run, as `ChatRequest.start` does: `return await chat.start(answer,
    chat.text)`. It may raise HubError, which the client gets as 409. The sender of a request is determined as for
    `runs.http`. A body may have `maximum_body` bytes.
    """
    handlers = _Handlers(runs, start, maximum_body)
    return [
        Route(path, answering(handlers.ask), methods=["POST"]),
        Route(f"{path}/{{chat_id:path}}/stream", answering(handlers.resume), methods=["GET"]),
    ]


class _Handlers:
    def __init__(self, runs: Runs, start: Callable[[ChatRequest], Awaitable[StartedRun]], maximum_body: int) -> None:
        self._runs, self._start, self._maximum_body = runs, start, maximum_body

    async def ask(self, request: Request) -> Response:
        scope = await sender(request, self._runs._admit)
        must_be_json(request)
        chat = self._chat(scope, await body(request, self._maximum_body))
        run = await self._start(chat)
        await permitted(scope, self._runs._permit, "attach_run", run.id, None)
        return await self._runs.respond(run.id, DIALECT, caller=chat.caller)

    async def resume(self, request: Request) -> Response:
        """The newest run of the chat that has not ended and that the caller may see."""
        scope = await sender(request, self._runs._admit)
        chat_id = str(request.path_params["chat_id"])
        caller = _caller(scope, chat_id)
        for info in reversed(await self._runs.room_runs(chat_id, caller=caller)):
            if not info.ended:
                await permitted(scope, self._runs._permit, "attach_run", info.id, None)
                try:
                    return await self._runs.respond(info.id, DIALECT, caller=caller)
                except HubError:
                    continue
        return Response(status_code=204)

    def _chat(self, scope: ConnectionScope, sent: dict[str, Any]) -> ChatRequest:
        """Raises Answered if this is not a request of a chat."""
        chat_id, messages, message_id = sent.get("id"), sent.get("messages"), sent.get("messageId")
        if not isinstance(chat_id, str) or not isinstance(messages, list) or not messages:
            raise Answered(problem(400, "The body must have an `id` and `messages`."))
        if not all(isinstance(message, dict) for message in messages):
            raise Answered(problem(400, "Each of the `messages` must be an object."))
        trigger = sent.get("trigger")
        return ChatRequest(
            id=chat_id,
            messages=messages,
            trigger=trigger if isinstance(trigger, str) else "submit-message",
            message_id=message_id if isinstance(message_id, str) else None,
            body=sent,
            scope=scope,
            caller=_caller(scope, chat_id),
            runs=self._runs,
        )


def _caller(scope: ConnectionScope, chat_id: str) -> Caller:
    """Anonymous users have no connection here that would distinguish them, so the chat does."""
    return caller_of(scope, f"chat {chat_id}" if scope.user_id is None else None)
