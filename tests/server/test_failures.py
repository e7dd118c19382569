"""What the application's code raises is a failed call, wherever it is raised: `sys.exit` ends a call, and no process.

asyncio itself lets `SystemExit` and `KeyboardInterrupt` out of the loop, so one that escapes ends this run of tests.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import pytest
from msgspec import Struct

from hubline import (
    AuthenticationRefresh,
    ConnectionRoute,
    ConnectionScope,
    Depends,
    Hub,
    HubApp,
    HubError,
    HubFilter,
    HubOptions,
    Identity,
    InvocationContext,
    InvocationError,
    OutgoingMessage,
    PolicyContext,
    TransportConnection,
    TransportOptions,
    authorize,
    filtered,
)
from hubline._tasks import TaskOwner
from hubline.server.filters import Invoke
from hubline.server.send_filters import SendNext
from hubline.testing import InMemoryClient, RefusedError, connect, connect_raw, settle
from hubline.testing.asgi import ASGIApp, Origin, Response
from tests.server.bench import bench


class Panic(BaseException):
    """As pyo3's `PanicException`: derived from nothing that code catches."""


FAILURES = [SystemExit(2), KeyboardInterrupt(), Panic("in Rust"), GeneratorExit("raised, not thrown in")]


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class UnprintableHubError(HubError):
    def __str__(self) -> str:
        raise SystemExit


class Trap:
    """Raises `error` where a test says so."""

    error: BaseException = SystemExit(2)
    where = ""

    @classmethod
    def set(cls, where: str, error: BaseException) -> None:
        cls.where, cls.error = where, error

    @classmethod
    def spring(cls, where: str) -> None:
        if cls.where == where:
            raise cls.error


class Checked(Struct):
    value: int

    def __post_init__(self) -> None:
        Trap.spring("validator")


class Lazy(dict[str, int]):
    def values(self) -> Any:
        Trap.spring("encoder")
        return super().values()


class Failing(HubFilter):
    async def invoke(self, call: InvocationContext, next: Invoke) -> Any:
        Trap.spring("filter")
        return await next(call)

    async def send(self, message: OutgoingMessage, next: SendNext) -> None:
        Trap.spring("filter of what is sent")
        await next(message)


async def asynchronous() -> AsyncIterator[int]:
    Trap.spring("dependency")
    yield 1
    Trap.spring("clean-up")


def threaded() -> Iterator[int]:
    Trap.spring("dependency in a thread")
    yield 1
    Trap.spring("clean-up in a thread")


def admits(context: PolicyContext) -> bool:
    Trap.spring("policy")
    return True


@filtered(Failing())
class Careless(Hub):
    def __init__(self) -> None:
        Trap.spring("hub")

    async def on_connected(self) -> None:
        Trap.spring("on_connected")

    async def on_disconnected(self, error: Exception | None) -> None:
        Trap.spring("on_disconnected")

    async def on_authentication_refreshed(self) -> None:
        Trap.spring("on_authentication_refreshed")

    async def method(self) -> None:
        Trap.spring("method")

    def in_a_thread(self) -> None:
        Trap.spring("method in a thread")

    async def with_text(self, text: str = "") -> str:
        Trap.spring("method")
        return text

    async def stream(self) -> AsyncIterator[int]:
        yield 1
        Trap.spring("stream")

    def stream_in_a_thread(self) -> Iterator[int]:
        yield 1
        Trap.spring("stream in a thread")

    async def within(self) -> None: ...

    @authorize(policy="admits")
    async def guarded(self) -> None: ...

    async def injected(
        self, one: Annotated[int, Depends(asynchronous)], two: Annotated[int, Depends(threaded)]
    ) -> None: ...

    async def check(self, value: Checked) -> None: ...

    async def check_all(self, values: AsyncIterator[Checked]) -> int:
        return len([value async for value in values])

    async def unwritable(self) -> Any:
        return Lazy(a=1)

    async def unwritable_item(self) -> AsyncIterator[Any]:
        yield Lazy(a=1)

    async def tell(self) -> None:
        await self.clients.all.send("News")

    async def ask(self) -> Any:
        return await self.clients.caller.invoke("Answer", result_type=Checked)


def authenticate(scope: ConnectionScope) -> Identity:
    Trap.spring("authenticate")
    return Identity("ada", {"n": scope.query.get("n")}, expires_at=2e9 + int(scope.query.get("n", "0")))


def user_id(scope: ConnectionScope) -> str:
    Trap.spring("user_id")
    return "ada"


async def refreshing(refresh: AuthenticationRefresh) -> bool:
    Trap.spring("on_authentication_refresh")
    return True


async def raw(connection: TransportConnection) -> None:
    Trap.spring("raw connection")

    def feed(data: bytes) -> None:
        Trap.spring("feed of a raw connection")

    connection.on_refresh(lambda: Trap.spring("on_refresh of a raw connection"))
    await connection.consume(feed)


def careless(**settings: Any) -> HubApp:
    return HubApp(
        {"/hub": Careless, "/raw": ConnectionRoute(raw)},
        authenticate=authenticate,
        user_id=user_id,
        policies={"admits": admits},
        transport=TransportOptions(authentication_refresh=True, on_authentication_refresh=refreshing),
        blocking_warning=None,
        **settings,
    )


@pytest.fixture(autouse=True)
def no_trap() -> Iterator[None]:
    yield
    Trap.set("", SystemExit(2))


def errors_of(caplog: pytest.LogCaptureFixture) -> list[BaseException]:
    """The exceptions in the log, of error records. A worker thread makes a `RuntimeError` of what ends generators."""
    found = [r.exc_info[1] for r in caplog.records if r.levelno >= logging.ERROR and r.exc_info and r.exc_info[1]]
    return [each.__cause__ if isinstance(each.__cause__, GeneratorExit) else each for each in found]


async def post(app: ASGIApp, path: str, **query: str) -> Response:
    tasks = TaskOwner("request")
    try:
        return await Origin(app, path, tasks).request("POST", query=query)
    finally:
        await tasks.cancel()


async def call(ada: InMemoryClient, target: str) -> None:
    if "Stream" in target or "Item" in target:
        async for _ in ada.stream(target):
            pass
    elif target == "Check":
        await ada.invoke(target, {"value": 1})
    elif target == "CheckAll":

        async def one() -> AsyncIterator[Any]:
            yield {"value": 1}

        await ada.invoke(target, one())
    else:
        await ada.invoke(target)


@pytest.mark.parametrize("error", FAILURES, ids=repr)
@pytest.mark.parametrize(
    ("where", "target"),
    [
        ("method", "Method"),
        ("method", "WithText"),
        ("method in a thread", "InAThread"),
        ("stream", "Stream"),
        ("stream in a thread", "StreamInAThread"),
        ("filter", "Within"),
        ("filter of what is sent", "Tell"),
        ("filter of what is sent", "Ask"),
        ("policy", "Guarded"),
        ("dependency", "Injected"),
        ("clean-up", "Injected"),
        ("dependency in a thread", "Injected"),
        ("clean-up in a thread", "Injected"),
        ("hub", "Method"),
        ("hub", "Stream"),
        ("validator", "Check"),
        ("encoder", "Unwritable"),
        ("encoder", "UnwritableItem"),
    ],
)
async def test_a_call(where: str, target: str, error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    app = careless()
    async with connect(app, "/hub") as ada, connect(app, "/hub") as bystander:
        Trap.set(where, error)
        with pytest.raises(Exception, match=r"An unexpected error|An error occurred|Failed to invoke"):
            await call(ada, target)
        Trap.set("", error)
        await ada.invoke("Method")
        await bystander.invoke("Method")
    assert errors_of(caplog) == [error]


@pytest.mark.parametrize("error", FAILURES, ids=repr)
async def test_a_validator_of_an_upload_and_of_a_client_result(error: BaseException) -> None:
    async with connect(careless(), "/hub") as ada:
        ada.on("Answer", lambda: {"value": 1})
        Trap.set("validator", error)
        for target in ("CheckAll", "Ask"):
            with pytest.raises(Exception, match="HubException"):
                await call(ada, target)
        Trap.set("", error)
        await ada.invoke("Ask")


@pytest.mark.parametrize("error", FAILURES, ids=repr)
@pytest.mark.parametrize("where", ["on_connected", "hub"])
async def test_a_connection_that_comes(where: str, error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    app = careless()
    async with connect(app, "/hub") as bystander:
        Trap.set(where, error)
        async with connect(app, "/hub") as ada:
            closed = await ada.closed()
        assert closed.error == "Connection closed with an error."
        Trap.set("", error)
        await bystander.invoke("Method")
    assert errors_of(caplog) == [error]


@pytest.mark.parametrize("error", [*FAILURES, RuntimeError("broken")], ids=repr)
@pytest.mark.parametrize("transport", ["websocket", "sse", "long_polling"])
@pytest.mark.parametrize("where", ["on_disconnected", "hub"])
async def test_a_connection_that_ends_is_one_record_in_the_log(
    where: str, transport: Any, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    app = careless()
    async with connect(app, "/hub") as bystander:
        async with connect(app, "/hub", transport=transport):
            Trap.set(where, error)
        await settle()
        Trap.set("", error)
        await bystander.invoke("Method")
    assert errors_of(caplog) == [error]
    assert len([r for r in caplog.records if r.levelno >= logging.ERROR]) == 1
    assert ".on_disconnected" in error.__notes__[-1]


@pytest.mark.parametrize("error", FAILURES, ids=repr)
async def test_a_connection_whose_own_task_is_cancelled_still_logs_how_its_end_failed(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    began, goes_on = asyncio.Event(), asyncio.Event()

    class Slow(Hub):
        async def on_disconnected(self, _: Exception | None) -> None:
            began.set()
            await goes_on.wait()
            raise error

    async with bench(Slow) as hub:
        ada = await hub.connect()
        ada.lose()
        await began.wait()
        ada.task.cancel()
        await ada.ended()
        goes_on.set()
        await settle()
        hub.assert_nothing_left()
    assert errors_of(caplog) == [error]


@pytest.mark.parametrize("error", FAILURES, ids=repr)
@pytest.mark.parametrize("where", ["authenticate", "user_id"])
async def test_a_request(where: str, error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    app = careless()
    async with connect(app, "/hub") as bystander:
        Trap.set(where, error)
        with pytest.raises(RefusedError, match="500"):
            async with connect(app, "/hub"):
                pass
        Trap.set("", error)
        await bystander.invoke("Method")
    assert errors_of(caplog) == [error]


@pytest.mark.parametrize("error", FAILURES, ids=repr)
@pytest.mark.parametrize("where", ["on_authentication_refresh", "on_authentication_refreshed"])
async def test_a_refresh(where: str, error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    app = careless()
    async with connect(app, "/hub") as ada:
        Trap.set(where, error)
        (token,) = [session.token for session in app._registry]
        answer = await post(app, "/hub/refresh", id=token, n="1")
        assert answer.status == (403 if where == "on_authentication_refresh" else 200)
        await settle()
        Trap.set("", error)
        await ada.invoke("Method")
    assert errors_of(caplog) == [error]


@pytest.mark.parametrize("error", FAILURES, ids=repr)
@pytest.mark.parametrize("where", ["raw connection", "feed of a raw connection"])
async def test_a_raw_connection(where: str, error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    app = careless()
    async with connect(app, "/hub") as bystander:
        Trap.set(where, error)
        async with connect_raw(app, "/raw") as ada:
            if where != "raw connection":
                await ada.send_bytes(b"data")
            assert (await ada.closed()).code == 1011
        await bystander.invoke("Method")
    assert errors_of(caplog) == [error]


@pytest.mark.parametrize("error", FAILURES, ids=repr)
async def test_a_callback_of_a_raw_connection(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    app = careless()
    async with connect_raw(app, "/raw") as ada:
        Trap.set("on_refresh of a raw connection", error)
        (token,) = [session.token for session in app._registry]
        assert (await post(app, "/raw/refresh", id=token, n="1")).status == 200
        Trap.set("", error)
        await ada.send_bytes(b"data")
    assert errors_of(caplog) == [error]


@pytest.mark.parametrize("detailed", [False, True])
@pytest.mark.parametrize("transport", ["websocket", "sse", "long_polling"])
@pytest.mark.parametrize(
    ("error", "told", "told_in_detail"),
    [
        (Unprintable(), "", " Unprintable: <exception str() failed>"),
        (UnprintableHubError(), " HubException: <exception str() failed>", " HubException: <exception str() failed>"),
    ],
    ids=["exception", "HubError"],
)
async def test_an_exception_without_a_text_is_answered(
    error: BaseException, told: str, told_in_detail: str, transport: Any, detailed: bool
) -> None:
    app = careless(options=HubOptions(detailed_errors=detailed))
    suffix = told_in_detail if detailed else told
    async with connect(app, "/hub", transport=transport) as ada:
        for where, target in (("method", "Method"), ("stream", "Stream"), ("policy", "Guarded"), ("hub", "Method")):
            Trap.set(where, error)
            with pytest.raises(InvocationError) as failed:
                await call(ada, target)
            assert failed.value.message.endswith(suffix or ("on the server.", "streaming results."))
        Trap.set("validator", error)
        with pytest.raises(InvocationError):
            await call(ada, "Check")
        ada.on("Answer", lambda: {"value": 1})
        for target in ("CheckAll", "Ask"):
            with pytest.raises(InvocationError, match="HubException"):
                await call(ada, target)
        Trap.set("on_connected", error)
        async with connect(app, "/hub", transport=transport) as ben:
            assert (await ben.closed()).error == f"Connection closed with an error.{suffix}"


async def test_what_is_neither_an_exception_nor_an_end_of_its_task_is_a_failed_call(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """pytest's own `fail()` is one such: a test whose hub calls it must not wait for ever."""

    class Outcome(BaseException):
        pass

    error = Outcome()
    async with connect(careless(), "/hub") as ada:
        for where, target in (("method", "Method"), ("filter", "Within"), ("stream", "Stream")):
            Trap.set(where, error)
            with pytest.raises(InvocationError):
                await call(ada, target)
    assert errors_of(caplog) == [error] * 3


async def test_stop_iteration_in_a_thread_is_a_failed_call(caplog: pytest.LogCaptureFixture) -> None:
    """No future takes one: the caller would wait for ever, and its next calls behind it."""

    def dependency() -> int:
        return next(iter([]))

    class Threaded(Hub):
        def first(self) -> int:
            return next(iter([]))

        async def second(self, value: Annotated[int, Depends(dependency)]) -> None: ...

    async with connect(HubApp({"/hub": Threaded}, blocking_warning=None), "/hub") as ada:
        for target in ("First", "Second"):
            with pytest.raises(InvocationError):
                await ada.invoke(target)
    assert [type(error.__cause__) for error in errors_of(caplog)] == [StopIteration] * 2
