"""A model with scripted answers, for tests and demonstrations."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Literal

from hubline._mistakes import Mistakes
from hubline.models.model import Delta, Message, ModelError, StopReason, Tool, Usage

Script = Sequence[str | Delta | ModelError]


class ScriptedModel:
    """Yields the pieces of a script, texts or whole deltas. An exception in the script is raised at its place.

    `script` may be a function of the conversation. `pace` is called and awaited before each piece, with its number, so
    that a test can wait there for an event. `seen` has the conversations, `offered` the tools that came with each, and
    `closed` is the number of answers that have ended.

    Raises:
        ConfigurationError: lists every argument that is not valid.
    """

    takes_tools: Literal[True] = True
    """Tells it from models without tools at run time."""

    def __init__(
        self,
        script: Script | Callable[[Sequence[Message]], Script],
        *,
        name: str = "scripted",
        pace: Callable[[int], Awaitable[None]] | None = None,
    ) -> None:
        mistakes = Mistakes("ScriptedModel")
        several = isinstance(script, Sequence) and not isinstance(script, str | bytes)
        mistakes.fits("script", script, several or callable(script), "a list of pieces, or a function that makes one")
        mistakes.text("name", name)
        mistakes.function("pace", pace, optional=True)
        mistakes.tell()
        self.name = name
        self.seen: list[tuple[Message, ...]] = []
        self.offered: list[tuple[Tool, ...]] = []
        self.closed = 0
        self._script = script
        self._pace = pace

    async def stream(self, messages: Sequence[Message], *, tools: Sequence[Tool] = ()) -> AsyncGenerator[Delta, None]:
        """See `ToolModel.stream`. Yields the script piece by piece, and raises the errors in it."""
        self.seen.append(tuple(messages))
        self.offered.append(tuple(tools))
        pieces = self._script(messages) if callable(self._script) else self._script
        try:
            for index, piece in enumerate(pieces):
                # Always one turn of the event loop, as with a real model: the reader may be cancelled between pieces.
                await (self._pace(index) if self._pace else asyncio.sleep(0))
                if isinstance(piece, ModelError):
                    raise piece
                yield piece if isinstance(piece, Delta) else Delta(text=piece)
            yield Delta(stop=StopReason.END, usage=Usage(len(messages), len(pieces)))
        finally:
            self.closed += 1
