"""How `--reload` watches. What it does as a process is in test_run.py and test_stopping.py."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from uvicorn.config import Config
from uvicorn.supervisors import basereload

from hubline._signals import STOPPING
from hubline.cli.serving import Reload


class Child:
    """In place of the server's process: what a test does while it starts and while it ends."""

    def __init__(self, starting: Callable[[], object], ending: Callable[[], object]) -> None:
        self.start, self.join = starting, ending

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
