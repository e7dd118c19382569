"""The result of a run: every figure of every round, and the values computed from them."""

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.rows.measuring import Figures
from benchmarks.rows.row import Row
from benchmarks.warming import WarmUp

BUSY = 0.9
"""Share of the client's core from which on the client is the limit, and the server can do more."""

OURS = "hubline"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One row of one peer in one round."""

    round: int
    peer: str
    row: str
    figures: Figures


@dataclass(frozen=True, slots=True)
class Failure:
    """A row in which a peer failed."""

    round: int
    peer: str
    row: str
    error: str


@dataclass(slots=True)
class Result:
    """A whole run, as it is kept in `benchmarks/results/`."""

    machine: dict[str, Any]
    settings: dict[str, Any]
    peers: dict[str, dict[str, str]]
    """Name and version of each that was measured, in their order."""
    left_out: dict[str, dict[str, str]]
    """Peer, row, and why."""
    missing: dict[str, str] = field(default_factory=dict)
    """Names of peers that are not installed, and how to install them."""
    measurements: list[Measurement] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    warm_ups: list[WarmUp] = field(default_factory=list)
    later: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The rows that another run has measured, each with the `machine` and the `settings` of that run."""

    def with_rows(self, other: "Result", rows: Sequence[Row]) -> "Result":
        """This result with these rows from another run, all peers of it, and everything else as it is."""
        keys = {row.key for row in rows}
        told = {"machine": other.machine, "settings": other.settings}
        merged = {key: {**self.left_out.get(key, {}), **found} for key, found in other.left_out.items()}
        return replace(
            self,
            peers=self.peers | other.peers,
            left_out=self.left_out | merged,
            measurements=[each for each in self.measurements if each.row not in keys] + other.measurements,
            failures=[each for each in self.failures if each.row not in keys] + other.failures,
            warm_ups=[each for each in self.warm_ups if each.row not in keys] + other.warm_ups,
            later={key: found for key, found in self.later.items() if key not in keys} | dict.fromkeys(keys, told),
        )

    def of(self, row: str, peer: str) -> list[Figures]:
        """The figures of each round."""
        return [each.figures for each in self.measurements if (each.row, each.peer) == (row, peer)]

    def measured(self, row: str) -> list[str]:
        """The peers with figures in a row."""
        return [peer for peer in self.peers if self.of(row, peer)]

    def values(self, row: str, peer: str, figure: str) -> list[float]:
        return [figures[figure] for figures in self.of(row, peer)]

    def median(self, row: str, peer: str, figure: str) -> float:
        return statistics.median(self.values(row, peer, figure))

    def ratio(self, row: Row, peer: str, ours: str = OURS) -> float | None:
        """How many times better ours is: the median of the ratios within each round; None without a common round."""
        figure = row.columns[0].figure
        below, above = (peer, ours) if row.more_is_better else (ours, peer)
        return self._within_rounds(row, above, below, lambda figures: figures[figure])

    def cost_ratio(self, row: Row, peer: str, ours: str = OURS) -> float | None:
        """How many times as much CPU the peer takes for the same; None where a row does not count that."""
        if "user_us" not in {column.figure for column in row.columns}:
            return None
        return self._within_rounds(row, peer, ours, lambda figures: figures["user_us"] + figures["kernel_us"])

    def _within_rounds(self, row: Row, above: str, below: str, figure: Callable[[Figures], float]) -> float | None:
        """One peer's figure by another's in each round that both have, and of these the median."""
        by_round = {(each.round, each.peer): figure(each.figures) for each in self.measurements if each.row == row.key}
        ratios = [
            value / other
            for (number, name), value in by_round.items()
            if name == above and (other := by_round.get((number, below)))
        ]
        return statistics.median(ratios) if ratios else None

    def best(self, row: Row, peer: str) -> float:
        """A peer's best round."""
        values = self.values(row.key, peer, row.columns[0].figure)
        return max(values) if row.more_is_better else min(values)

    def ratio_to_best(self, row: Row, peer: str, ours: str = OURS) -> float | None:
        """How many times better our median is than the best round of the peer; None where one has no figures."""
        if not (self.of(row.key, ours) and self.of(row.key, peer)):
            return None
        ourselves, best = self.median(row.key, ours, row.columns[0].figure), self.best(row, peer)
        above, below = (ourselves, best) if row.more_is_better else (best, ourselves)
        return above / below if below else None

    def client_bound(self, row: str, peer: str) -> bool:
        """Whether the client was the limit, so that the figure is only a lower bound."""
        shares = [figures.get("client_cpu", 0.0) for figures in self.of(row, peer)]
        return bool(shares) and statistics.median(shares) > BUSY

    def shared(self, row: str, peer: str) -> bool:
        """Whether server and client together did not fill even one core."""
        sums = [figures["server_cpu"] + figures["client_cpu"] for figures in self.of(row, peer)]
        return statistics.median(sums) < BUSY

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        content = asdict(self)
        for each in content["measurements"]:
            each["figures"] = {name: float(f"{value:.5g}") for name, value in each["figures"].items()}
        for each in content["warm_ups"]:
            each |= {"rates": [float(f"{rate:.5g}") for rate in each["rates"]], "seconds": round(each["seconds"], 1)}
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")


def load(path: Path) -> Result:
    """What `save` has written."""
    content = json.loads(path.read_text("utf-8"))
    content["measurements"] = [Measurement(**each) for each in content["measurements"]]
    content["failures"] = [Failure(**each) for each in content["failures"]]
    content["warm_ups"] = [WarmUp(**each) for each in content.get("warm_ups", [])]
    return Result(**content)
