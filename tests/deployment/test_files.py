"""The unit of systemd and the Dockerfile, as far as they can be tried without systemd and without images."""

import asyncio
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hubline_chat.settings import ChatSettings
from tests.cli.running import hubline
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
GUIDE = ROOT / "docs" / "guides" / "deployment.md"
APPLICATION = 'from hubline import Hub, HubApp\n\napp = HubApp({"/hub": Hub})\n'


def unit() -> dict[str, str]:
    """The settings of the unit; of one that comes twice, the last."""
    lines = (DEPLOY / "hubline.service").read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if re.match(r"[A-Z]\w+=", line))


async def test_the_command_of_the_unit_runs_and_sigterm_ends_it_well(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APPLICATION)
    program, *arguments = shlex.split(unit()["ExecStart"])
    assert program.endswith("/bin/hubline")
    arguments[arguments.index("8000")] = str(free_port())
    async with hubline(tmp_path, *arguments) as command:
        await command.url()
        command.process.send_signal(signal.SIGTERM)
        assert await command.end() == 0


def test_the_unit_gives_more_time_and_descriptors_than_hubline_takes() -> None:
    settings = unit()
    [drain] = re.findall(r"--drain-timeout (\d+)", settings["ExecStart"])
    assert float(settings["TimeoutStopSec"]) > float(drain)
    assert int(settings["LimitNOFILE"]) > 20_000


@pytest.mark.systemd
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    text = (DEPLOY / "hubline.service").read_text("utf-8")
    text = text.replace("/srv/chat/.venv/bin/hubline", sys.executable).replace("/srv/chat", str(tmp_path))
    (tmp_path / "hubline.service").write_text(text.replace("User=hubline\n", ""))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / "hubline.service")], capture_output=True, text=True, check=False
    )
    assert [line for line in done.stderr.splitlines() if "hubline.service" in line] == []


def instructions() -> list[tuple[str, str]]:
    text = (DEPLOY / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    found = re.findall(r"^([A-Z]+) (.*)$", text, flags=re.MULTILINE)
    return [(name, rest) for name, rest in found]


def test_everything_that_the_image_copies_is_there() -> None:
    sources = [rest.split()[:-1] for name, rest in instructions() if name == "COPY" and "--from" not in rest]
    paths = [path for each in sources for path in each]
    assert len(paths) > 5
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("file", [DEPLOY / "Dockerfile", GUIDE], ids=lambda path: path.name)
def test_the_settings_of_the_image_are_settings_of_the_chat(file: Path) -> None:
    named = re.findall(r"\bHUBLINE_CHAT_(\w+)", file.read_text("utf-8"))
    assert named
    assert [name for name in named if name.lower() not in ChatSettings.model_fields] == []


def test_the_image_installs_what_the_makefile_does() -> None:
    [model] = re.findall(r"^ARG MODEL=(.*)$", (DEPLOY / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE)
    assert f"MODEL := {model}\n" in (ROOT / "Makefile").read_text("utf-8")


def laid_out(directory: Path) -> None:
    """Copy what the second stage copies from the repository, to where it is copied."""
    final = instructions()[max(i for i, (name, _) in enumerate(instructions()) if name == "FROM") :]
    for name, rest in final:
        *sources, target = rest.split()
        if name != "COPY" or sources[0].startswith("--from"):
            continue
        for source in sources:
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, directory / target)
            else:
                shutil.copy(ROOT / source, directory / target)


async def test_the_image_starts_is_found_healthy_and_ends_in_good_order(tmp_path: Path) -> None:
    laid_out(tmp_path)
    found = dict(instructions())
    assert found["STOPSIGNAL"] == "SIGTERM"
    assert found["USER"] == "hubline"
    port = str(free_port())
    settings = dict(pair.split("=", 1) for pair in found["ENV"].split())
    settings |= {
        "PYTHONPATH": settings["PYTHONPATH"].replace("/srv/hubline", str(tmp_path)),
        "HUBLINE_CHAT_DATA": str(tmp_path / "data"),
        "HUBLINE_CHAT_PORT": port,
        "HUBLINE_CHAT_MODEL_URL": "http://127.0.0.1:9/v1",
        "HUBLINE_CHAT_MODEL": "none",
    }
    program, *arguments = json.loads(found["CMD"])
    check, *checking = json.loads(found["HEALTHCHECK"].removeprefix("CMD ").replace(":8000/", f":{port}/"))
    assert (program, check) == ("python", "python")
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, cwd=tmp_path, env=os.environ | settings, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(200):
            assert process.stdout is not None
            while b"is open at" not in (line := await process.stdout.readline()):
                assert line, "the chat ended"
            healthy = await asyncio.create_subprocess_exec(sys.executable, *checking)
            assert await healthy.wait() == 0
            process.terminate()
            rest = await process.stdout.read()
            assert await process.wait() == 0
            assert b"Stopped." in rest
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
