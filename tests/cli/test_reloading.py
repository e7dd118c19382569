"""How `--reload` watches. What it does as a process is in test_run.py and test_stopping.py."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.supervisors import basereload

from hubline._signals import STOPPING
from hubline.cli.reloading import Reload, StopFlag


class Child:
    """In place of the server's process: what a test does while it starts and while it ends."""

    def __init__(self, starting: Callable[[], object], ending: Callable[[], object]) -> None:
        self._starting, self.join = starting, ending
        self.pid: int | None = None
        self.killed = False

    def start(self) -> None:
        self._starting()
        self.pid = 1

    def kill(self) -> None:
        self.killed = True

    def terminate(self) -> None:
        pass


def nothing() -> None:
    pass


@pytest.fixture
def handlers() -> Iterator[None]:
    """The signal handlers, which a supervisor sets and never takes away."""
    former = [(number, signal.getsignal(number)) for number in STOPPING]
    yield
    for number, handler in former:
        signal.signal(number, handler)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "application.py"
    path.write_text("first = 1\n")
    return path


def supervisor(
    monkeypatch: pytest.MonkeyPatch,
    source: Path,
    starting: Callable[[], object] = nothing,
    ending: Callable[[], object] = nothing,
) -> Reload:
    monkeypatch.setattr(basereload, "get_subprocess", lambda **_: Child(starting, ending))
    config = Config("application:app", reload=True, reload_dirs=[str(source.parent)], reload_delay=0, log_config=None)
    return Reload(config, target=nothing, sockets=[])


@pytest.mark.usefixtures("handlers")
def test_a_change_while_the_server_starts_is_seen(monkeypatch: pytest.MonkeyPatch, source: Path) -> None:
    reload = supervisor(monkeypatch, source, starting=lambda: source.write_text("second = 2\n"))
    reload.startup()
    assert reload.should_restart() == [source]
    assert not reload.should_restart()


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("moment", ["starting", "ending"])
def test_a_change_while_the_server_starts_again_is_seen(
    monkeypatch: pytest.MonkeyPatch, source: Path, moment: str
) -> None:
    reload = supervisor(monkeypatch, source)
    reload.startup()
    assert not reload.should_restart()
    changes = iter([lambda: source.write_text("second = 2\n"), nothing])
    monkeypatch.setattr(
        basereload,
        "get_subprocess",
        lambda **_: Child(next(changes) if moment == "starting" else nothing, nothing),
    )
    if moment == "ending":
        monkeypatch.setattr(reload.process, "join", next(changes))
    reload.restart()
    assert reload.should_restart() == [source]
    assert not reload.should_restart()


@pytest.mark.usefixtures("handlers")
def test_a_file_that_is_new_is_a_change_and_one_that_is_gone_is_none(
    monkeypatch: pytest.MonkeyPatch, source: Path
) -> None:
    new = source.with_name("new.py")

    def move() -> None:
        new.write_text("")
        source.unlink()

    reload = supervisor(monkeypatch, source, starting=move)
    reload.startup()
    assert reload.should_restart() == [new]


def test_a_signal_may_come_anywhere_while_the_supervisor_waits(monkeypatch: pytest.MonkeyPatch, source: Path) -> None:
    """At every line that Python runs for it. An event with a lock would wait for itself."""
    reload = supervisor(monkeypatch, source)
    lines = 0

    def interrupt(frame: FrameType, what: str, argument: object) -> Any:
        nonlocal lines
        if what == "line":
            lines += 1
            sys.settrace(None)
            reload.signal_handler(signal.SIGTERM, frame)
            sys.settrace(interrupt)
        return interrupt

    former = sys.gettrace()
    sys.settrace(interrupt)
    try:
        with pytest.raises(StopIteration):
            reload.pause()
    finally:
        sys.settrace(former)
    assert lines > 3
    assert reload.should_exit.is_set()


def test_the_flag_waits_until_it_is_set_or_time_is_up() -> None:
    flag = StopFlag()
    assert not flag.wait(0)
    assert not flag.is_set()
    setting = threading.Thread(target=flag.set)
    setting.start()
    assert flag.wait()
    setting.join()
    assert flag.wait(0)
    assert flag.is_set()


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("moment", ["there is no process", "it starts", "it runs"])
def test_the_second_signal_kills_the_server_whenever_it_comes(
    monkeypatch: pytest.MonkeyPatch, source: Path, moment: str
) -> None:
    reload = supervisor(monkeypatch, source)

    def twice() -> None:
        reload.signal_handler(signal.SIGTERM, None)
        assert not child.killed
        reload.signal_handler(signal.SIGINT, None)

    child = Child(twice if moment == "it starts" else nothing, nothing)

    def made(**_: Any) -> Child:
        if moment == "there is no process":
            twice()
        return child

    monkeypatch.setattr(basereload, "get_subprocess", made)
    reload.startup()
    if moment == "it runs":
        twice()
    assert child.killed
    assert reload.should_exit.is_set()
