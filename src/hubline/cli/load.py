"""The clients of `hubline bench` and of the benchmarks. They are fast, so that they do not limit the result.

All clients share one event loop. A client does not decode repeated messages: it compares them with a repetition of the
first one, which is fast and still checks every byte. The boundaries of WebSocket messages do not matter: some servers
join many messages into one, others divide one among several.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from hubline.cli.dialect import Dialect, Kind, Reader, Record
from hubline.errors import ConfigurationError

AHEAD = 131_072
"""Bytes by which a repetition is longer than one message. Servers write 64 KiB at a time."""

_DATA = frozenset({WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION})


class LoadError(Exception):
    """A server has lost, duplicated, changed or refused messages, or closed a connection: no valid measurement."""


class Pattern:
    """The message that many connections receive repeatedly. The first one that arrives is the pattern."""

    def __init__(self) -> None:
        self.payload = self.framed = self.repeated = b""

    def learn(self, payload: bytes, framed: bytes) -> None:
        self.payload, self.framed = payload, framed
        self.repeat(AHEAD)

    def repeat(self, size: int) -> None:
        """Make a repetition with at least `size` bytes after any position in the first message."""
        self.repeated = self.framed * (size // len(self.framed) + 2)


class Countdown:
    """Done when this number of connections have each received what they expect."""

    def __init__(self, connections: int) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left = connections

    def arrived(self) -> None:
        self._left -= 1
        if not self._left and not self.done.done():
            self.done.set_result(None)

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class Inbox:
    """The input of one connection of any transport: counts repetitions, and passes other messages to `on_record`."""

    def __init__(self, reader: Reader, on_record: Callable[[Record], None]) -> None:
        self.counted = 0
        self.failed: LoadError | None = None
        self._reader = reader
        self._on_record = on_record
        self._pattern: Pattern | None = None
        self._phase = 0
        """Bytes that have arrived of a message that is not complete."""
        self._wanted = 0
        self._countdown: Countdown | None = None

    def expect(self, messages: int, countdown: Countdown, pattern: Pattern) -> None:
        """Count from zero up to `messages`, all like `pattern`."""
        self._synchronise()
        self.counted, self._wanted, self._countdown, self._pattern = 0, messages, countdown, pattern

    def check(self) -> None:
        """Raises `LoadError` unless exactly the expected messages have arrived."""
        if self.failed is not None:
            raise self.failed
        if self.counted != self._wanted:
            raise LoadError(f"{self.counted} messages came where {self._wanted} were sent")

    def receive(self, data: bytes, final: bool = True) -> None:
        pattern = self._pattern
        if pattern is not None and not self._reader.tail and self._fits(pattern, data):
            whole, self._phase = divmod(self._phase + len(data), len(pattern.framed))
            if whole:
                self._count(whole)
            return
        self._synchronise()
        try:
            for payload in self._reader.feed(data, final):
                self._read(payload)
            self._resume()
        except LoadError as error:
            self.fail(error)
        except Exception as error:
            # Nothing that a server sends may end in a traceback for each of ten thousand clients.
            self.fail(LoadError(f"what the server sent cannot be read: {error}"))

    def fail(self, error: LoadError) -> None:
        self.failed = self.failed or error
        if self._countdown is not None:
            self._countdown.fail(error)

    @property
    def between(self) -> bool:
        """Whether all messages that have arrived are complete."""
        return not (self._phase or self._reader.tail)

    def _fits(self, pattern: Pattern, data: bytes) -> bool:
        if not pattern.framed:
            return False
        if len(pattern.repeated) < len(data) + len(pattern.framed):
            pattern.repeat(len(data))
        return pattern.repeated.startswith(data, self._phase)

    def _synchronise(self) -> None:
        """Give the reader the first part of a message that has arrived, so that it can continue from there."""
        if self._phase and self._pattern is not None:
            self._reader.tail, self._phase = self._pattern.framed[: self._phase], 0

    def _resume(self) -> None:
        """Compare again from here on, if the incomplete message may be the beginning of the pattern."""
        tail = self._reader.tail
        if tail and self._pattern is not None and self._pattern.framed.startswith(tail):
            self._phase, self._reader.tail = len(tail), b""

    def _read(self, payload: bytes) -> None:
        pattern = self._pattern
        if pattern is not None and payload == pattern.payload:
            self._count(1)
            return
        record = self._reader.read(payload)
        if pattern is not None and record.kind in (Kind.MESSAGE, Kind.ITEM):
            if pattern.framed:
                raise LoadError(f"a message differs from the others: {payload[:80]!r}")
            pattern.learn(payload, self._reader.framed(payload))
            self._count(1)
            return
        self._on_record(record)

    def _count(self, messages: int) -> None:
        before, self.counted = self.counted, self.counted + messages
        if self._countdown is None:
            return
        if before < self._wanted <= self.counted:
            self._countdown.arrived()
        if self.counted > self._wanted:
            self.fail(LoadError(f"{self.counted} messages came where {self._wanted} were sent"))


class Session:
    """A connection of a load client, over any transport.

    Keeps the calls that wait for an answer itself: `ClientSession` speaks SignalR only, and not every dialect does.
    """

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.inbox = Inbox(dialect.reader(), self._record)
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.answers: dict[str, Callable[[Record], None]] = {}
        self._calls = 0

    def send(self, payload: bytes) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    async def call(self, method: str, *arguments: Any) -> Any:
        """Call and wait for the answer.

        Raises:
            LoadError: the server answers with an error.
        """
        self._calls += 1
        call = f"c{self._calls}"
        answer = self.answer(call)
        self.send(self.dialect.call(call, method, arguments))
        return await answer

    def answer(self, call: str) -> asyncio.Future[Any]:
        """Becomes the result of the call with this id; `None` for a stream."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def done(record: Record) -> None:
            if answer.done():
                return
            if record.error is None:
                answer.set_result(record.value)
            else:
                answer.set_exception(LoadError(record.error))

        self.answers[call] = done
        return answer

    def ended(self, reason: str) -> None:
        """The connection has ended: fail all waiting calls."""
        if not self.opened.done():
            self.opened.set_exception(LoadError(reason))
            self.opened.exception()  # the task that opens it may have ended
        self.inbox.fail(LoadError(reason))
        waiting, self.answers = self.answers, {}
        for call, answer in waiting.items():
            answer(Record(Kind.COMPLETION, call, error=reason))

    def _record(self, record: Record) -> None:
        match record.kind:
            case Kind.COMPLETION:
                answer = self.answers.pop(record.call, None)
                if answer is None:
                    self.inbox.fail(LoadError(f"an answer arrived for the call {record.call!r}, which is not waiting"))
                else:
                    answer(record)
            case Kind.PING if self.dialect.pong:
                self.send(self.dialect.pong)
            case Kind.OPENED if not self.opened.done():
                self.opened.set_result(None)
            case Kind.CLOSE:
                self.ended(record.error or "the server closed the connection")


class Connection(Session, WSListener):
    """A WebSocket."""

    def __init__(self, dialect: Dialect) -> None:
        super().__init__(dialect)
        self._transport: WSTransport
        self._type = WSMsgType.BINARY if dialect.binary else WSMsgType.TEXT
        self.receive: Callable[[bytes, bool], None] = self.inbox.receive

    def send(self, payload: bytes) -> None:
        self._transport.send(self._type, payload)

    def close(self) -> None:
        self._transport.disconnect(graceful=False)

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        if self.dialect.greeting:
            # Always text: the answer decides whether what follows is binary.
            transport.send(WSMsgType.TEXT, self.dialect.greeting)
        else:
            self.opened.set_result(None)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type in _DATA:
            self.receive(frame.get_payload_as_bytes(), frame.fin)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.ended("the server closed the connection")


async def connect(url: str, dialect: Dialect, headers: Mapping[str, str] | None = None) -> Connection:
    """Open a WebSocket and shake hands.

    Raises:
        OSError, WSHandshakeError: there is no such server, or it refuses the upgrade.
        LoadError: it refuses the handshake, or is silent for 30 seconds.
    """
    # A small read buffer: ten thousand clients live in this process.
    _, listener = await ws_connect(
        lambda: Connection(dialect),
        url,
        extra_headers=dict(headers or {}),
        websocket_handshake_timeout=30,
        logger_name="load",
        read_buffer_init_size=4096,
    )
    assert isinstance(listener, Connection)
    try:
        async with asyncio.timeout(30):
            await listener.opened
    except TimeoutError:
        raise LoadError("the server did not answer the handshake within 30 seconds") from None
    return listener


async def connect_many(
    count: int, url: str, dialect: Dialect, headers: Mapping[str, str] | None = None, *, at_once: int = 32
) -> list[Connection]:
    """Open `count` connections, `at_once` side by side. When one fails, all are closed."""
    made: list[Connection] = []
    failed: list[Exception] = []
    left = iter(range(count))

    async def some() -> None:
        for _ in left:
            if failed:
                return
            try:
                made.append(await connect(url, dialect, headers))
            except Exception as error:
                failed.append(error)

    await asyncio.gather(*(some() for _ in range(min(at_once, count))))
    if failed:
        for connection in made:
            connection.close()
        raise failed[0]
    return made


def allow_files(count: int) -> None:
    """Raise this process's limit of open files as far as needed; its children inherit it.

    Raises:
        ConfigurationError: the system does not allow that many.
    """
    try:
        import resource
    except ModuleNotFoundError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise ConfigurationError(
            [f"{count} open files are needed, the system allows {hard}: raise the limit (ulimit -Hn), or take fewer"]
        )
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
