"""Where the lines of `hubline client` come from: a prompt, or a pipe."""

import asyncio
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Protocol

from hubline._extras import missing
from hubline.errors import ConfigurationError


class Lines(Protocol):
    async def read(self) -> str | None:
        """The next line, `None` at the end."""


class PipedLines:
    """Standard input as it is. A thread reads each line, so that the loop goes on while there is none."""

    async def read(self) -> str | None:
        loop = asyncio.get_running_loop()
        found: asyncio.Future[str | Exception] = loop.create_future()
        threading.Thread(target=self._read, args=(loop, found), name="hubline client: input", daemon=True).start()
        line = await found
        if isinstance(line, Exception):
            raise ConfigurationError([f"the input cannot be read: {line}"])
        return line or None

    def _read(self, loop: asyncio.AbstractEventLoop, found: "asyncio.Future[str | Exception]") -> None:
        line: str | Exception
        try:
            line = sys.stdin.readline()
        except (OSError, ValueError) as error:  # a UnicodeDecodeError is a ValueError
            line = error
        with suppress(RuntimeError):  # the loop has been closed meanwhile
            loop.call_soon_threadsafe(_settle, found, line)


class PromptLines:
    """A prompt with history and completion by Tab. What is printed meanwhile stands above it."""

    def __init__(self, words: Callable[[], Iterable[str]]) -> None:
        """Raises ConfigurationError if prompt_toolkit is missing."""
        try:
            from prompt_toolkit import PromptSession
            from prompt_toolkit.completion import WordCompleter
            from prompt_toolkit.patch_stdout import patch_stdout
        except ModuleNotFoundError as error:
            raise ConfigurationError([missing(error)]) from None
        self._patch_stdout = patch_stdout
        completer = WordCompleter(lambda: sorted(words()))
        self._session: PromptSession[str] = PromptSession("> ", completer=completer, complete_while_typing=False)

    async def read(self) -> str | None:
        try:
            with self._patch_stdout(raw=True):
                return await self._session.prompt_async()
        except KeyboardInterrupt:  # as in a shell: another line
            return ""
        except EOFError:
            return None


def _settle(found: "asyncio.Future[str | Exception]", line: str | Exception) -> None:
    if not found.done():
        found.set_result(line)
