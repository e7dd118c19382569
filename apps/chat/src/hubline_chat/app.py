"""The application: store, accounts, models, the chat, the hub and the page, joined."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

from fastapi import FastAPI
from starlette.requests import ClientDisconnect
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from hubline import HubApp, HubOptions, TransportOptions
from hubline.models import ChatModel
from hubline_chat.accounts import openid_routes, people, routes
from hubline_chat.accounts.attempts import Attempts
from hubline_chat.accounts.errors import AccountError, broken_off, refused
from hubline_chat.accounts.openid import OpenId
from hubline_chat.accounts.passwords import Passwords
from hubline_chat.accounts.service import Accounts
from hubline_chat.accounts.tokens import Bearers
from hubline_chat.chat import Chat
from hubline_chat.export.routes import BURST, PER_HOUR
from hubline_chat.export.routes import router as export_router
from hubline_chat.files.routes import router as files_router
from hubline_chat.frontend import add_frontend
from hubline_chat.housekeeping import INTERVAL_SECONDS, Housekeeping
from hubline_chat.hubs import ChatHub, MayUseModel
from hubline_chat.journal import FLUSH_SECONDS
from hubline_chat.models import ModelState, make_models, paired, running
from hubline_chat.periodic import Periodic
from hubline_chat.settings import ChatSettings
from hubline_chat.store import Store, StoreError
from hubline_chat.tools.mcp_servers import make_servers

RECEIVED_BYTES = 256 * 1024
"""One message of a page: `limits.MESSAGE_LENGTH` characters as JSON, each with up to six bytes, and room beside."""
CONNECTIONS_PER_USER = 30
"""Tabs and devices of one person."""
GOODBYE_SECONDS = 4.0
"""Seconds for open pages to fetch their last messages. Less than `launch.DRAIN_SECONDS`, so that none is lost."""


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
        ConfigurationError: there is no model, or the database's URL is not valid.
    """
    settings = settings or ChatSettings()

    def model_is(state: Literal["starting", "ready", "failed"], detail: str | None) -> None:
        chat.set_model_state(state, detail)
        if on_model is not None:
            on_model(state, detail)

    models = make_models(settings, model_is) if model is None else paired(settings, model, premium_model or model)
    store, passwords = Store(settings.database_url), passwords or Passwords()
    servers = make_servers(settings, lambda: chat.news.assistant())
    chat = Chat(models, settings, store, lambda: hubs.context(ChatHub), servers)
    accounts, bearers = Accounts(store, settings, passwords, chat), Bearers(store.values)
    hubs = HubApp(
        {"/chatHub": lambda: ChatHub(chat, store)},
        authenticate=bearers,
        policies={"MayUseModel": MayUseModel(chat)},
        options=HubOptions(maximum_receive_message_size=RECEIVED_BYTES),
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
                servers.connected(),
                _at_work(chat, _housekeeping(store, accounts, chat, settings)),
                hubs.lifespan(app) as state,  # started last and stopped first, because draining needs the others
            ):
                yield state
            await chat.presence.close()
            await chat.journal.flush()

    app = FastAPI(title="Hubline Chat", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.chat, app.state.store, app.state.accounts, app.state.settings = chat, store, accounts, settings
    _add_routes(app, chat, hubs, settings)
    return app


def _housekeeping(store: Store, accounts: Accounts, chat: Chat, settings: ChatSettings) -> Housekeeping:
    return Housekeeping(store, accounts, chat.rooms, retention_days=settings.retention_days, told=chat.history_cleared)


def _add_routes(app: FastAPI, chat: Chat, hubs: HubApp, settings: ChatSettings) -> None:
    app.state.openid = None if settings.openid is None else OpenId(settings.openid)
    app.state.files, app.state.exports = chat.files, Attempts(BURST, PER_HOUR)
    for error in (AccountError, StoreError):
        app.add_exception_handler(error, refused)
    app.add_exception_handler(ClientDisconnect, broken_off)
    app.include_router(routes.router)
    app.include_router(people.router)
    app.include_router(openid_routes.router)
    app.include_router(files_router)
    app.include_router(export_router)
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
    """The tasks beside the hubs: the writer of the store, the news, and housekeeping.

    At the end, tasks that use the database finish that first.
    """
    saved = (Periodic(chat.assistant.save, FLUSH_SECONDS), Periodic(chat.marks.save, FLUSH_SECONDS))
    tidied = (Periodic(tidy, INTERVAL_SECONDS), Periodic(chat.files.tidy, INTERVAL_SECONDS))
    stoppable = (*saved, *tidied, chat.news.notices)
    async with asyncio.TaskGroup() as group:
        endless = [
            group.create_task(chat.journal.run()),
            group.create_task(chat.assistant.titles.run(chat.rooms, chat.news.rooms)),
        ]
        for job in stoppable:
            group.create_task(job.run())
        try:
            yield
        finally:
            await chat.finish()  # the rest, for which draining had no time
            for job in stoppable:
                job.stop()
            for task in endless:
                task.cancel()
