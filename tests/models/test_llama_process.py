"""The child process that runs llama.cpp."""

import asyncio
import json
from pathlib import Path

import pytest

from hubline.models.llama_process import LlamaSettings
from hubline.models.local import CHILD
from tests.processes import child_process


def test_settings_are_one_line_of_json() -> None:
    line = LlamaSettings("a b.gguf", "k", context=4096, slots=2, threads=3).dump()
    assert line == b'{"path": "a b.gguf", "key": "k", "context": 4096, "slots": 2, "threads": 3}\n'


@pytest.mark.model
async def test_a_file_that_is_no_model_ends_the_child_with_the_reason(tmp_path: Path) -> None:
    weights = tmp_path / "broken.gguf"
    weights.write_bytes(b"no model at all")
    pipe = asyncio.subprocess.PIPE
    async with child_process(*CHILD, stdin=pipe, stdout=pipe, stderr=pipe) as child, asyncio.timeout(60):
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdin.write(LlamaSettings(str(weights), "k", 512, 1, 1).dump())
        out, _ = await asyncio.gather(child.stdout.read(), child.stderr.read())
        await child.wait()
    assert (child.returncode, out) == (1, b'{"error": "llama.cpp cannot load broken.gguf"}\n')


@pytest.mark.model
async def test_what_llama_prints_does_not_mix_with_the_answer() -> None:
    from hubline.models import bundled_model

    pipe = asyncio.subprocess.PIPE
    async with child_process(*CHILD, stdin=pipe, stdout=pipe, stderr=pipe) as child, asyncio.timeout(60):
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(LlamaSettings(str(bundled_model()), "k", 512, 1, 1).dump())
        answer = json.loads(await child.stdout.readline())
        child.stdin.close()
        out, _ = await asyncio.gather(child.stdout.read(), child.wait())
    assert answer["address"].startswith("http://127.0.0.1:")
    assert out == b""
    assert child.returncode == 0
