"""The local model: its child process with stand-ins that are quick, and the real one where that is the point."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import pytest

from hubline import ConfigurationError
from hubline.models import (
    Delta,
    Fault,
    LocalModel,
    LocalState,
    LocalStatus,
    Message,
    ModelError,
    StopReason,
    bundled_model,
    llama_process,
    local,
)
from tests.models.endpoint import CHUNKED, END, endpoint, event, piece
from tests.processes import child_process

QUESTION = [Message("user", "Write a long story about a lighthouse.")]
READ_SETTINGS = "import json, os, sys; settings = json.loads(sys.stdin.readline());"
STAY = "sys.stdin.read()"


def child(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def answers_at(url: str) -> str:
    """A child that says a server runs at `url`, and stays."""
    return (
        f"{READ_SETTINGS} print(json.dumps({{'address': {url.removesuffix('/v1')!r}}}), flush=True); sys.stdin.read()"
    )


class Statuses:
    """Collects what a model reports, and waits for a state."""

    def __init__(self) -> None:
        self.seen: list[LocalStatus] = []
        self._new = asyncio.Event()

    def __call__(self, status: LocalStatus) -> None:
        self.seen.append(status)
        self._new.set()

    async def until(self, state: LocalState, times: int = 1) -> LocalStatus:
        async with asyncio.timeout(30):
            while [status.state for status in self.seen].count(state) < times:
                self._new.clear()
                await self._new.wait()
        return next(status for status in reversed(self.seen) if status.state is state)


async def test_questions_wait_until_the_model_is_loaded(tmp_path: Path) -> None:
    weights = tmp_path / "Small.gguf"
    weights.write_bytes(b"GGUF")
    statuses = Statuses()
    async with endpoint(CHUNKED, piece("Once"), piece(None, "stop"), event("[DONE]"), END) as server:
        async with LocalModel(weights, on_status=statuses, command=child(answers_at(server.url))) as model:
            assert model.status == LocalStatus(LocalState.STARTING, "starting Small")
            async with asyncio.timeout(30):
                deltas = [delta async for delta in model.stream(QUESTION)]
        assert deltas == [Delta("Once"), Delta(stop=StopReason.END)]
        headers, body = server.requests[0]
    assert statuses.seen == [
        LocalStatus(LocalState.STARTING, "loading Small (0 MB)"),
        LocalStatus(LocalState.READY, "Small is ready"),
    ]
    assert model.status == LocalStatus(LocalState.FAILED, "Small was closed")
    assert len(headers["authorization"]) > len("bearer ") + 40
    assert (body["max_tokens"], body["temperature"]) == (512, 0.3)


async def test_a_child_that_dies_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "RESTART_DELAYS", (0.0,))
    statuses = Statuses()
    dies = f"{READ_SETTINGS} print(json.dumps({{'address': 'http://127.0.0.1:9'}}), flush=True); sys.exit(1)"
    async with LocalModel(Path("Small.gguf"), on_status=statuses, command=child(dies)):
        await statuses.until(LocalState.READY, times=3)
    assert LocalStatus(LocalState.STARTING, "starting Small again: its process ended") in statuses.seen


async def test_a_model_that_cannot_be_loaded_is_given_up_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(local, "RESTART_DELAYS", (0.0, 0.0))
    statuses = Statuses()
    refuses = "import sys; print('{\"error\": \"bad magic\"}', flush=True); sys.exit('what llama.cpp says')"
    async with LocalModel(Path("Small.gguf"), on_status=statuses, command=child(refuses)) as model:
        assert (await statuses.until(LocalState.FAILED)).detail == "bad magic"
        with pytest.raises(ModelError, match="Small is not running: bad magic") as raised:
            await anext(model.stream(QUESTION))
    assert raised.value.fault is Fault.UNREACHABLE
    assert [status.detail for status in statuses.seen].count("loading Small (0 MB)") == 3
    assert "llama.cpp: what llama.cpp says" in caplog.text


async def test_a_child_that_cannot_be_started_is_an_error_not_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "RESTART_DELAYS", ())
    statuses = Statuses()
    async with LocalModel(Path("Small.gguf"), on_status=statuses, command=["no-such-program-here"]):
        assert "No such file" in (await statuses.until(LocalState.FAILED)).detail


async def test_a_model_that_hangs_while_loading_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "RESTART_DELAYS", ())
    monkeypatch.setattr(local, "LOAD_TIMEOUT", 0.05)
    statuses = Statuses()
    async with LocalModel(Path("Small.gguf"), on_status=statuses, command=child("import sys; sys.stdin.read()")):
        assert (await statuses.until(LocalState.FAILED)).detail == "it was not loaded after 0 s"


async def test_closing_ends_the_child() -> None:
    statuses = Statuses()
    says_its_id = (
        f"{READ_SETTINGS} address = f'http://localhost/{{os.getpid()}}'; "
        "print(json.dumps({'address': address}), flush=True); sys.stdin.read()"
    )
    model = LocalModel(Path("Small.gguf"), on_status=statuses, command=child(says_its_id))
    async with model:
        await statuses.until(LocalState.READY)
        assert model._model is not None
        pid = int(str(model._model._client.base_url).split("/")[3])
        os.kill(pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(ModelError, match="was closed"):
        await model.ready()


@pytest.mark.model
async def test_the_real_model_answers_in_many_pieces_and_closing_really_stops_it() -> None:
    async with LocalModel(bundled_model()) as model, asyncio.timeout(60):
        async with aclosing(model.stream(QUESTION)) as stream:
            pieces = [(await anext(stream)).text for _ in range(8)]
            assert await slots_at_work(model) == 1
        assert len([text for text in pieces if text]) == 8
        while await slots_at_work(model):  # noqa: ASYNC110 - llama.cpp notices at its next token and tells nobody
            await asyncio.sleep(0.01)
        # The slot is free again: a question does not wait for the rest of the story.
        async with aclosing(model.stream([Message("user", "Say hello.")])) as stream:
            assert (await anext(stream)).text


@pytest.mark.model
async def test_the_real_model_is_back_after_its_process_was_killed(tmp_path: Path) -> None:
    statuses, note = Statuses(), tmp_path / "pid"
    program = (
        "import os, pathlib, runpy, sys\n"
        f"pathlib.Path({str(note)!r}).write_text(str(os.getpid()))\n"
        f"runpy.run_path({llama_process.__file__!r}, run_name='__main__')\n"
    )
    command = [sys.executable, "-P", "-c", program]
    async with LocalModel(bundled_model(), name="Small", on_status=statuses, command=command) as model:
        async with asyncio.timeout(60), aclosing(model.stream(QUESTION)) as stream:
            await anext(stream)
            os.kill(int(note.read_text()), signal.SIGKILL)
            with pytest.raises(ModelError, match="Small broke off its answer"):
                await read_to_its_end(stream)
        await statuses.until(LocalState.READY, times=2)
        async with asyncio.timeout(60), aclosing(model.stream([Message("user", "Say hello.")])) as stream:
            assert (await anext(stream)).text


async def read_to_its_end(stream: AsyncGenerator[Delta, None]) -> None:
    async for _ in stream:
        pass


async def slots_at_work(model: LocalModel) -> int:
    assert model._model is not None
    url = str(model._model._client.base_url).removesuffix("v1/") + "slots"
    async with httpx.AsyncClient(timeout=60) as client:
        slots = (await client.get(url, headers={"authorization": f"Bearer {model._settings.key}"})).json()
    return sum(slot["is_processing"] for slot in slots)


@pytest.mark.model
async def test_the_real_child_asks_for_the_key_and_dies_with_a_killed_parent() -> None:
    program = (
        "import asyncio, os, json\n"
        "from hubline.models import LocalModel, bundled_model\n"
        "async def main():\n"
        "    async with LocalModel(bundled_model()) as model:\n"
        "        await model.ready()\n"
        "        print(json.dumps(str(model._model._client.base_url)), flush=True)\n"
        "        await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    async with (
        asyncio.timeout(60),
        child_process(*child(program), stdout=asyncio.subprocess.PIPE) as parent,
        httpx.AsyncClient(timeout=60) as client,
    ):
        assert parent.stdout is not None
        url = json.loads(await parent.stdout.readline()) + "chat/completions"
        refused = await client.post(url, json={"messages": [{"role": "user", "content": "Hello"}]})
        assert refused.status_code == 401
        parent.send_signal(signal.SIGKILL)
        await parent.wait()
        while await is_open(url):  # noqa: ASYNC110 - nobody is left who could tell
            await asyncio.sleep(0.01)


async def is_open(url: str) -> bool:
    parts = httpx.URL(url)
    try:
        _, writer = await asyncio.open_connection(parts.host, parts.port)
    except ConnectionRefusedError:
        return False
    writer.close()
    return True


def test_every_mistake_is_named_at_once() -> None:
    wrong: dict[str, Any] = {
        "name": 5,
        "max_tokens": 0,
        "context": "4096",
        "slots": True,
        "threads": 0,
        "temperature": "cold",
        "on_status": "print",
        "command": "llama",
    }
    with pytest.raises(ConfigurationError) as caught:
        LocalModel("model.gguf", **wrong)  # type: ignore[arg-type]
    found = caught.value.problems
    assert {problem.removeprefix("LocalModel.").split()[0] for problem in found} == {"path", *wrong}
    assert "LocalModel.path must be a Path, got 'model.gguf'" in found
    assert "LocalModel.threads must be a whole number greater than 0 or None, got 0" in found
