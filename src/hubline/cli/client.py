"""The command `hubline client`: a terminal that calls a hub and shows what the hub calls."""

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager, nullcontext
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from hubline._tasks import TaskOwner
from hubline.cli.harmless import harmless
from hubline.cli.lines import Lines, PipedLines, PromptLines
from hubline.cli.words import split
from hubline.client import ConnectionState, HubConnection, JoinedRoom, RoomPresence
from hubline.errors import ConfigurationError, ConnectionClosed, HublineError, InvocationError, text_of

INTERRUPTED = 130
"""The status after Ctrl+C, as of a shell."""

HELP = """\
METHOD ARGUMENT…          call a method of the hub, and print its result
send METHOD ARGUMENT…     call it without waiting for it
stream METHOD ARGUMENT…   print the items of a stream; Ctrl+C leaves it
invoke METHOD ARGUMENT…   call a method whose name is one of these words
on TARGET [ANSWER]        answer the calls of the hub that want a result, with this value or with null
off TARGET                no longer
wait TARGET               until the hub has called this, if it has not since the last `wait` for it
run RUN_ID                print the items of a run (of a hub that includes RunsHub)
room NAME                 join a room and print what happens there, over lost connections too (of RoomsHub)
leave NAME                leave a room
state                     the state of the connection
help                      this text
quit                      leave; so does the end of the input

Arguments are JSON, with blanks between them: 1, true, null, "two words", [1, 2], {"name": "Ada"}. A word that is not
JSON is a text. What the hub calls is printed as it comes, behind a <."""


def run_client(url: str, settings: Mapping[str, Any]) -> int:
    """Talk to the hub until the user leaves or the connection is over. The status: 1 if anything went wrong.

    `settings` are arguments of `HubConnection`. Raises ConfigurationError.
    """
    try:
        return asyncio.run(_run(url, settings, interactive=sys.stdin.isatty()))
    except KeyboardInterrupt:
        return INTERRUPTED


async def _run(url: str, settings: Mapping[str, Any], *, interactive: bool) -> int:
    terminal = Terminal(HubConnection(url, **settings), Console(highlight=False), Console(stderr=True, highlight=False))
    if not interactive:
        return await terminal.talk(PipedLines())
    lines = PromptLines(lambda: terminal.words)
    terminal.note(f"connecting to {url} … `help` lists the commands")
    return await terminal.talk(lines, interactive=True)


class Terminal:
    """Executes lines. Results go to the console, errors to the other one."""

    def __init__(self, hub: HubConnection, out: Console, errors: Console) -> None:
        self._hub, self._out, self._errors = hub, out, errors
        self._heard: Counter[str] = Counter()
        self._news = asyncio.Event()
        self._lost = False
        self._leaving = False
        self._rooms: dict[str, JoinedRoom] = {}
        self._tasks = TaskOwner("hubline client: rooms")
        self._commands: Mapping[str, Callable[..., Awaitable[None]]] = {
            "invoke": self._invoke,
            "send": self._send,
            "stream": self._stream,
            "on": self._on,
            "off": self._off,
            "wait": self._wait,
            "run": self._run,
            "room": self._room,
            "leave": self._leave,
            "state": self._state,
            "help": self._help,
            "quit": self._quit,
            "exit": self._quit,
        }
        self.words = set(self._commands)
        """What has been used or heard, for completion."""
        hub.on_unhandled(self._take)

    async def talk(self, lines: Lines, *, interactive: bool = False) -> int:
        """Connect and execute all lines; the status. With `interactive`, failed commands do not change it."""
        hub, tasks = self._hub, TaskOwner("hubline client")
        try:
            await hub.start()
        except ConnectionClosed as error:
            self.problem(text_of(error))
            return 1
        try:
            over = tasks.start(hub.closed())
            tasks.start(self.watch())
            well = True
            while not self._leaving:
                reading = tasks.start(lines.read())
                await asyncio.wait((reading, over), return_when=asyncio.FIRST_COMPLETED)
                if not reading.done():
                    self.problem(text_of(over.result() or ConnectionClosed()))
                    return 1
                line = reading.result()
                if line is None:
                    break
                command = tasks.start(self.execute(line))
                with cancelled_by_signal(command) if interactive else nullcontext():
                    await asyncio.wait((command,))
                well &= not command.cancelled() and command.result()
            return 0 if well or interactive else 1
        finally:
            await tasks.cancel()
            for room in [*self._rooms.values()]:
                await room.leave()
            await self._tasks.cancel()
            await hub.stop()

    async def execute(self, line: str) -> bool:
        """Do what a line says; whether it went well."""
        try:
            word, values = split(line)
            if not word or word.startswith("#"):
                return True
            command = self._commands.get(word)
            if command is None:
                await self._invoke(word, *values)
            elif word in ("invoke", "send", "stream", "on", "off", "wait", "run", "room", "leave") and not (
                values and isinstance(values[0], str)
            ):
                raise ConfigurationError([f"{word} needs a name; `help` shows how"])
            else:
                await command(*values)
        except (HublineError, msgspec.ValidationError, TypeError, ValueError, OverflowError) as error:
            self.problem(text_of(error))
            return False
        return True

    async def watch(self) -> None:
        """Show the states of the connection that the user did not ask for."""
        async for state in self._hub.states():
            self._news.set()
            if state is ConnectionState.RECONNECTING or self._lost:
                self._lost = state is ConnectionState.RECONNECTING
                self.note(f"{state.value} …" if self._lost else state.value)

    def problem(self, text: str) -> None:
        self._errors.print(Text(f"error: {harmless(text, lines=True)}", "red"), soft_wrap=True)

    def note(self, text: str) -> None:
        self._errors.print(Text(harmless(text, lines=True), "dim"), soft_wrap=True)

    def _show(self, value: Any) -> None:
        self._out.print(Text(shown(value)), soft_wrap=True)

    def _take(self, target: str, *arguments: Any) -> None:
        self.words.add(target)
        self._heard_of(target, *arguments)

    def _heard_of(self, target: str, *arguments: Any) -> None:
        self._heard[target] += 1
        self._news.set()
        text = Text.assemble(("< ", "dim"), (harmless(target), "cyan"), *(f" {shown(each)}" for each in arguments))
        self._out.print(text, soft_wrap=True)

    async def _invoke(self, method: str, *arguments: Any) -> None:
        self.words.add(method)
        result = await self._hub.invoke(method, *arguments)
        if result is not None:
            self._show(result)

    async def _send(self, method: str, *arguments: Any) -> None:
        self.words.add(method)
        await self._hub.send(method, *arguments)

    async def _stream(self, method: str, *arguments: Any) -> None:
        self.words.add(method)
        async with aclosing(self._hub.stream(method, *arguments)) as items:
            async for item in items:
                self._show(item)

    async def _on(self, target: str, answer: Any = None) -> None:
        def handle(*arguments: Any) -> Any:
            self._take(target, *arguments)
            return answer

        self._hub.on(target, handle)

    async def _off(self, target: str) -> None:
        self._hub.off(target)

    async def _wait(self, target: str) -> None:
        while not self._heard[target]:
            if self._hub.state is ConnectionState.DISCONNECTED:
                raise ConnectionClosed(f"the connection ended before the hub has called {target}")
            self._news.clear()
            await self._news.wait()
        self._heard[target] = 0

    async def _run(self, run_id: str) -> None:
        async with aclosing(aiter(self._hub.run(run_id))) as items:
            async for item in items:
                self._show(item)

    async def _room(self, name: str) -> None:
        if name in self._rooms:
            raise ConfigurationError([f"the room {name} is joined already"])
        room = self._hub.join_room(name, device="hubline client")
        await room.__aenter__()
        self._rooms[name] = room
        self.words.add(name)
        self._tasks.start(self._follow(room), name="hubline client: a room")

    async def _follow(self, room: JoinedRoom) -> None:
        try:
            async for event in room:
                if isinstance(event, RoomPresence) and event.member is None:
                    names = [each.user or each.key for each in event.members]
                    self._heard_of("RoomPresence", room.name, {"kind": event.kind, "members": names})
                elif isinstance(event, RoomPresence):
                    self._heard_of("RoomPresence", room.name, {"kind": event.kind, "member": event.member})
                else:
                    self._heard_of(type(event).__name__, room.name, event)
        except (InvocationError, ConnectionClosed) as error:
            self.problem(f"the room {room.name}: {text_of(error)}")
        finally:
            if self._rooms.get(room.name) is room:  # and not another one, after `leave`
                del self._rooms[room.name]

    async def _leave(self, name: str) -> None:
        if (room := self._rooms.pop(name, None)) is None:
            raise ConfigurationError([f"the room {name} is not joined"])
        await room.leave()

    async def _state(self) -> None:
        name = self._hub.connection_id
        self._out.print(Text(self._hub.state.value + (f" as {harmless(name)}" if name else "")), soft_wrap=True)

    async def _help(self) -> None:
        self._out.print(Text(HELP), soft_wrap=True)

    async def _quit(self) -> None:
        self._leaving = True


@contextmanager
def cancelled_by_signal(command: "asyncio.Task[Any]") -> Iterator[None]:
    """Ctrl+C ends a command and not the program, where the loop can be told of signals."""
    loop = asyncio.get_running_loop()
    try:
        loop.add_signal_handler(signal.SIGINT, command.cancel)
    except (NotImplementedError, RuntimeError):  # Windows; not the main thread
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def shown(value: Any) -> str:
    """A value as JSON in one line; what JSON has not, as Python shows it."""
    try:
        text = msgspec.json.encode(value).decode()
    except Exception:  # maps with keys that are no texts, extension types of MessagePack
        text = repr(value)
    return harmless(text)
