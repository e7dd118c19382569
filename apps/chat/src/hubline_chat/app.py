"""The application: store, accounts, models, the chat, the hub and the page, joined."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

from fastapi import FastAPI
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from hubline import HubApp, TransportOptions
from hubline.models import ChatModel
from hubline_chat.accounts import people, routes
from hubline_chat.accounts.errors import AccountError, refused
from hubline_chat.accounts.passwords import Passwords
from hubline_chat.accounts.service import Accounts
from hubline_chat.accounts.tokens import Bearers
from hubline_chat.chat import Chat
from hubline_chat.frontend import add_frontend
from hubline_chat.housekeeping import INTERVAL_SECONDS, Housekeeping
from hubline_chat.hubs import ChatHub, PremiumUser
from hubline_chat.journal import FLUSH_SECONDS
from hubline_chat.models import ModelState, make_models, running
from hubline_chat.periodic import Periodic
from hubline_chat.reading import Models
from hubline_chat.settings import ChatSettings
from hubline_chat.store import Store, StoreError

CONNECTIONS_PER_USER = 30
"""Tabs and devices of one person."""
GOODBYE_SECONDS = 4.0
"""Open pages get this long to fetch what is left for them. Less than `launch.DRAIN_SECONDS`, so that nothing is cut."""


def create_app(
    settings: ChatSettings | None = None,
    *,
    model: ChatModel | None = None,
    premium_model: ChatModel | None = None,
    on_model: ModelState | None = None,
    passwords: Passwords | None = None,
) -> FastAPI:
    """The chat as an ASGI application. `model` and `premium_model` replace those of the settings.

    Raises:
        ConfigurationError: there is no model, or the database's URL is none.
    """
    settings = settings or ChatSettings()

    def model_is(state: Literal["starting", "ready", "failed"], detail: str | None) -> None:
        chat.set_model_state(state, detail)
        if on_model is not None:
            on_model(state, detail)

    models = Models(model, premium_model or model) if model is not None else make_models(settings, model_is)
    store, passwords = Store(settings.database_url), passwords or Passwords()
    chat = Chat(models, settings, store, lambda: hubs.context(ChatHub))
    accounts, bearers = Accounts(store, settings, passwords, chat), Bearers(store.values)
    hubs = HubApp(
        {"/chatHub": lambda: ChatHub(chat, store)},
        authenticate=bearers,
        policies={"PremiumUser": PremiumUser(chat)},
        allowed_origins=settings.allowed_origins,
        drain_timeout=GOODBYE_SECONDS,
        on_drain=chat.finish,
        transport=TransportOptions(
            close_on_token_expiry=True,
            authentication_refresh=True,
            same_user=True,
            connections_per_user=CONNECTIONS_PER_USER,
        ),
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with _opened(store, passwords):
            app.state.token_key = await bearers.key()
            await chat.load()
            async with (
                running(models, model_is),
                _at_work(chat, Housekeeping(store, accounts, chat.rooms)),
                hubs.lifespan(app) as state,  # the last to come and the first to go: draining needs the others
            ):
                yield state
            await chat.journal.flush()

    app = FastAPI(title="Hubline Chat", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.chat, app.state.store, app.state.accounts, app.state.settings = chat, store, accounts, settings
    _add_routes(app, chat, hubs, settings)
    return app


def _add_routes(app: FastAPI, chat: Chat, hubs: HubApp, settings: ChatSettings) -> None:
    for error in (AccountError, StoreError):
        app.add_exception_handler(error, refused)
    app.include_router(routes.router)
    app.include_router(people.router)
    _add_health(app, chat, hubs)
    add_frontend(app, settings.web)
    app.mount("/", hubs)
    if settings.trusted_proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(settings.trusted_proxies))


def _add_health(app: FastAPI, chat: Chat, hubs: HubApp) -> None:
    @app.get("/api/health")
    async def health() -> dict[str, Any]:
        assistant = chat.assistant.info
        return {
            "status": "ok" if hubs.ready else "draining",
            "version": chat.server.version,
            "assistant": {"model": assistant.model, "state": assistant.state, "detail": assistant.detail},
        }


@asynccontextmanager
async def _opened(store: Store, passwords: Passwords) -> AsyncIterator[None]:
    try:
        await store.open()
        await passwords.start()
        async with store.database.claimed():
            yield
    finally:
        passwords.close()
        await store.close()


@asynccontextmanager
async def _at_work(chat: Chat, tidy: Housekeeping) -> AsyncIterator[None]:
    """What runs beside the hubs: the store's writers, the news, and the broom.

    At the end, whoever may be busy with the database finishes that first.
    """
    stoppable = (Periodic(chat.assistant.save, FLUSH_SECONDS), Periodic(tidy, INTERVAL_SECONDS), chat.news.notices)
    async with asyncio.TaskGroup() as group:
        writer = group.create_task(chat.journal.run())
        for job in stoppable:
            group.create_task(job.run())
        try:
            yield
        finally:
            await chat.finish()  # what draining had no time for
            for job in stoppable:
                job.stop()
            writer.cancel()
