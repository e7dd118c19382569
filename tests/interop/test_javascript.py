"""Microsoft's own JavaScript client, on every transport and with both codecs, against the contract server."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.interop.running import ELSEWHERE, SERVERS, contract_server

JS = Path(__file__).parent / "js"
FEWEST = 475
"""Fewer tests than this, and some file was not run."""
PART, FEWEST_OF_PART = ("auth", "reconnect", "refresh", "streams"), 125


@contextmanager
def server_at(server: str) -> Iterator[str]:
    if ELSEWHERE:
        yield ELSEWHERE
    else:
        with contract_server(server) as url:
            yield url


def install() -> None:
    """`npm ci`, where it was not done."""
    if not (JS / "node_modules" / "@microsoft" / "signalr").is_dir():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=JS, check=True)


def results_against(url: str, *files: str) -> list[dict[str, Any]]:
    """Run the test files of these names, or all; one entry for each test, and one for each line on the error output."""
    command = [
        "node",
        "--test",
        "--test-concurrency=3",
        "--test-reporter=./reporter.mjs",
        *(str(path) for name in files or ("*",) for path in JS.glob(f"{name}.test.mjs")),
    ]
    environment = os.environ | {"HUBLINE_CONTRACT_URL": url}
    done = subprocess.run(command, cwd=JS, env=environment, capture_output=True, text=True, check=False)
    assert not done.stderr, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.interop
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "server",
    ["elsewhere"]
    if ELSEWHERE
    else [SERVERS[0], *(pytest.param(server, marks=pytest.mark.slow) for server in SERVERS[1:])],
)
def test_official_javascript_client(server: str) -> None:
    """All of it on the server that most will use; on the others it is a repetition."""
    install()
    with server_at(server) as url:
        assert_all_passed(results_against(url), FEWEST)


@pytest.mark.interop
@pytest.mark.timeout(300)
@pytest.mark.skipif(bool(ELSEWHERE), reason="all of it runs there")
@pytest.mark.parametrize("server", SERVERS[1:])
def test_official_javascript_client_streams_and_comes_back(server: str) -> None:
    """Where the servers differ: bytes of every transport in both directions, tokens, and lines that are cut."""
    install()
    with server_at(server) as url:
        assert_all_passed(results_against(url, *PART), FEWEST_OF_PART)


def assert_all_passed(results: list[dict[str, Any]], fewest: int) -> None:
    """Nothing failed, nothing was skipped, and not fewer tests ran than there are."""
    tests = [each for each in results if "name" in each]
    failed = [f"{each['name']}\n{each['error']}" for each in tests if not each["ok"]]
    skipped = [each["name"] for each in tests if each.get("skipped")]
    assert not failed, f"{len(failed)} of {len(tests)} failed:\n" + "\n\n".join(failed)
    assert skipped == []
    assert len(tests) >= fewest
