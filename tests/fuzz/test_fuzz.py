"""Every fuzz target on its seeds and on what was found once, without atheris; then each for a moment with it."""

import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fuzz import TARGETS
from hubline.errors import RemoteProtocolError
from hubline.transports.registry import ConnectionRegistry
from hubline.wire.framing import RecordSplitter, VarintSplitter
from hubline.wire.json import JsonCodec
from hubline.wire.msgpack import MessagePackCodec

ROOT = Path(__file__).parent.parent.parent
CORPUS = ROOT / "fuzz" / "corpus"
FOUND = sorted(path for path in CORPUS.glob("*/*") if path.is_file())
RUNS = 1_000


def target(name: str) -> Any:
    return importlib.import_module(f"fuzz.{name}")


def check_seeds(name: str) -> None:
    for seed in target(name).SEEDS:
        target(name).check(seed)


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_holds_on_its_seeds(name: str) -> None:
    assert len(target(name).SEEDS) > 5
    check_seeds(name)
    target(name).check(b"")


@pytest.mark.parametrize("path", FOUND, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_was_found_stays_mended(path: Path) -> None:
    target(path.parent.name).check(path.read_bytes())


def test_every_input_that_is_kept_is_of_a_target_and_small() -> None:
    assert FOUND
    assert {path.parent.name for path in FOUND} <= set(TARGETS)
    assert [path for path in FOUND if path.stat().st_size > 4096] == []


@pytest.mark.parametrize(
    ("name", "kind", "method"),
    [
        ("json_codec", JsonCodec, "decode"),
        ("msgpack_codec", MessagePackCodec, "encode"),
        ("framing", RecordSplitter, "feed"),
        ("framing", VarintSplitter, "_cut"),
        ("wire_connection", JsonCodec, "decode"),
        ("endpoint", ConnectionRegistry, "negotiate"),
    ],
)
def test_a_target_finds_an_exception_that_is_not_documented(
    monkeypatch: pytest.MonkeyPatch, name: str, kind: type, method: str
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("planted")

    monkeypatch.setattr(kind, method, broken)
    with pytest.raises(KeyError):
        check_seeds(name)


def test_a_codec_that_changes_a_message_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = JsonCodec.encode
    monkeypatch.setattr(JsonCodec, "encode", lambda self, message: right(self, message).replace(b"Add", b"Sub"))
    with pytest.raises(AssertionError):
        check_seeds("json_codec")


def test_a_splitter_that_depends_on_the_cuts_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = RecordSplitter.feed
    monkeypatch.setattr(RecordSplitter, "feed", lambda self, data: right(self, data.strip()))
    with pytest.raises(AssertionError):
        target("framing").check(bytes([1, 2]) + b"a b\x1e c\x1e")


def test_a_refusal_that_is_documented_is_none() -> None:
    with pytest.raises(RemoteProtocolError):
        JsonCodec().decode(b"{")
    target("json_codec").check(b"{")


def test_a_connection_that_stays_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ConnectionRegistry, "remove", lambda self, session: None)
    with pytest.raises(AssertionError):
        target("endpoint").check(b"POST\n/hub/negotiate\nnegotiateVersion=1\n\n")


@pytest.mark.fuzz
def test_a_moment_of_fuzzing_finds_nothing(tmp_path: Path) -> None:
    """All targets in one run: to make Hubline's modules traceable takes longer than a moment of each."""
    command = [sys.executable, "-m", "fuzz", "all", f"-runs={RUNS}", f"-artifact_prefix={tmp_path}/"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    assert re.findall(r"^(\w+):$", done.stderr, re.MULTILINE) == list(TARGETS)
    assert done.stderr.count(f"Done {RUNS} runs") == len(TARGETS)
