"""Whether the harness works, with numbers so small that nothing is measured."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import page, peers, run
from benchmarks.results import load
from benchmarks.rows import catalogue
from benchmarks.settings import TINY
from hubline.cli.dialect import SignalR

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the benchmark reads /proc")


@pytest.fixture
def affinity() -> Iterator[None]:
    """A run holds its process on one core; the tests after it get theirs back."""
    before = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, before)


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("affinity")
async def test_every_row_is_measured_on_hubline_and_becomes_a_page(tmp_path: Path) -> None:
    told: list[str] = []
    result = await run.run(TINY, peers.named(["hubline"]), catalogue.named([]), told.append)
    assert result.failures == []
    assert result.measured("calls") == ["hubline"]
    assert [row.key for row in catalogue.ROWS if not result.measured(row.key)] == []
    assert result.values("burst", "hubline", "messages") == [6]
    assert result.of("growth-connections", "hubline")[0].keys() == {"2", "4"}
    assert sorted(line.partition(" s  ")[2] for line in told) == sorted(row.title for row in catalogue.ROWS)
    assert [row.key for row in catalogue.ROWS if not (row.fresh or row.key in {w.row for w in result.warm_ups})] == []
    result.save(tmp_path / "result.json")
    assert load(tmp_path / "result.json").settings == json.loads(json.dumps(TINY.as_dict()))
    (tmp_path / "docs" / "decisions").mkdir(parents=True)
    for name in (page.PAGE, page.README, page.PAPER):
        (tmp_path / name).write_text(f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n")
    page.write(load(tmp_path / "result.json"), tmp_path)
    written = (tmp_path / page.PAGE).read_text()
    assert "old" not in written + (tmp_path / page.README).read_text()
    assert "| **Hubline** |" in written
    assert "### What breaks first" in (tmp_path / page.PAPER).read_text()
    assert (tmp_path / page.IMAGES / "overview-dark.svg").exists()


@pytest.mark.usefixtures("affinity")
async def test_a_peer_that_does_not_start_is_a_failure_and_the_others_go_on() -> None:
    program = "import sys; sys.exit('no such setting')"
    broken = peers.Peer("broken", "Broken", (sys.executable, "-c", program), SignalR, str)
    told: list[str] = []
    result = await run.run(TINY, [broken, *peers.named(["floor"])], catalogue.named(["paced"]), told.append)
    assert [(each.peer, each.row) for each in result.failures] == [("broken", "paced")]
    assert result.failures[0].error == "Broken did not start: no such setting"
    assert result.measured("paced") == ["floor"]


@pytest.mark.usefixtures("affinity")
async def test_a_peer_that_is_not_installed_is_named_with_what_to_do() -> None:
    absent = peers.Peer("absent", "Absent", ("false",), SignalR, str, missing=lambda: "install it")
    told: list[str] = []
    result = await run.run(TINY, [absent], catalogue.named(["calls"]), told.append)
    assert result.missing == {"Absent": "install it"}
    assert told[-1] == "Absent is left out: install it"
    assert result.measurements == []
    assert result.failures == []


@pytest.mark.usefixtures("affinity")
async def test_another_checkout_is_a_peer_whose_sources_are_its_own(tmp_path: Path) -> None:
    here = peers.checkout("here", Path(__file__).parents[2])
    other = peers.checkout("other", tmp_path)
    assert other.missing() == f"no checkout of Hubline in {tmp_path}"
    package = tmp_path / "src" / "hubline"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("import sys; sys.exit('the other checkout')")
    result = await run.run(TINY, [here, other], catalogue.named(["calls"]), list[str]().append)
    assert result.measured("calls") == ["here"]
    assert [each.error for each in result.failures] == ["Hubline in other did not start: the other checkout"]


def test_every_peer_says_why_it_is_not_in_a_row() -> None:
    known = {row.key for row in catalogue.ROWS}
    for peer in peers.PEERS:
        assert peer.lacks.keys() <= known, peer.key
        assert all(peer.lacks.values()), peer.key


def test_unknown_names_are_refused() -> None:
    with pytest.raises(KeyError, match="nobody"):
        peers.named(["nobody"])
    with pytest.raises(ValueError, match="node is the name of a peer"):
        peers.checkout("node", Path())
    with pytest.raises(KeyError, match="nothing"):
        catalogue.named(["nothing"])
