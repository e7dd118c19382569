"""The application: a model, the chat, the hub and the page, joined."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

from fastapi import FastAPI

from hubline import ConfigurationError, HubApp
from hubline.models import ChatModel, LocalModel, LocalStatus, OpenAIModel, bundled_model
from hubline_chat.chat import Chat
from hubline_chat.frontend import add_frontend
from hubline_chat.hubs import ChatHub
from hubline_chat.settings import ChatSettings

SMOLLM2 = "SmolLM2 135M"
LOCAL_ANSWER_TOKENS = 512

ModelState = Callable[[Literal["starting", "ready", "failed"], str | None], None]
"""Hears how the model stands, with a sentence for people."""


def create_app(
    settings: ChatSettings | None = None, *, model: ChatModel | None = None, on_model: ModelState | None = None
) -> FastAPI:
    """The chat as an ASGI application. `model` replaces the one of the settings.

    Raises:
        ConfigurationError: there is no model.
    """
    settings = settings or ChatSettings()

    def model_is(state: Literal["starting", "ready", "failed"], detail: str | None) -> None:
        chat.set_model_state(state, detail)
        if on_model is not None:
            on_model(state, detail)

    model = model or make_model(settings, model_is)
    chat = Chat(model, settings, lambda: hubs.context(ChatHub).clients)
    hubs = HubApp({"/chatHub": lambda: ChatHub(chat)})

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async def drain() -> None:
            await chat.assistant.interrupt()  # people learn how their answers ended before they are sent away
            await hubs.drain()

        async with hubs.lifespan(app) as state, _running(model, model_is), _at_work(chat):
            try:
                yield {**state, "hubline.drain": [drain]}
            finally:
                await drain()

    app = FastAPI(title="Hubline Chat", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.chat = chat

    @app.get("/api/health")
    async def health() -> dict[str, Any]:
        assistant = chat.assistant.info
        return {
            "status": "ok" if hubs.ready else "draining",
            "version": chat.server.version,
            "assistant": {"model": assistant.model, "state": assistant.state, "detail": assistant.detail},
        }

    add_frontend(app, settings.web)
    app.mount("/", hubs)
    return app


def make_model(settings: ChatSettings, model_is: ModelState) -> ChatModel:
    """The endpoint of the settings, or the local model."""
    key = settings.model_key.get_secret_value() if settings.model_key is not None else None
    if settings.model_url is not None and settings.model is not None:
        return OpenAIModel(settings.model, base_url=settings.model_url, api_key=key, max_tokens=settings.answer_tokens)
    try:
        path = Path(settings.model) if settings.model is not None else bundled_model()
    except FileNotFoundError as error:
        way_out = "`make chat` installs it; or name an endpoint by HUBLINE_CHAT_MODEL_URL and HUBLINE_CHAT_MODEL"
        raise ConfigurationError([f"there is no local model: {error}. {way_out}"]) from error

    def changed(status: LocalStatus) -> None:
        model_is(status.state.value, status.detail)

    return LocalModel(
        path,
        name=None if settings.model is not None else SMOLLM2,
        max_tokens=settings.answer_tokens or LOCAL_ANSWER_TOKENS,
        slots=settings.model_slots,
        on_status=changed,
    )


@asynccontextmanager
async def _running(model: ChatModel, model_is: ModelState) -> AsyncIterator[None]:
    """A model of ours runs as long as the application; any other one is taken for ready."""
    if isinstance(model, LocalModel):
        async with model:
            yield
        return
    model_is("ready", None)
    yield
    if isinstance(model, OpenAIModel):
        await model.close()


@asynccontextmanager
async def _at_work(chat: Chat) -> AsyncIterator[None]:
    """What runs beside the hubs: the assistant, and the news."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(chat.assistant.run()), group.create_task(chat.notices.run())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
