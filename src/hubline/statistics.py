"""The statistics of several processes: added up, in their form between processes, and as a collection reads them."""

import dataclasses
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from hubline.backplanes.subscriptions import GAPS_KEPT
from hubline.transports.registry_statistics import RegistryStatistics

WORKER = "hubline.worker"
"""The attribute with the number of a worker, whose metrics would otherwise be taken for those of another."""

MOMENT = 0.5
"""Seconds for which counts are cached, because a collection reads each metric separately. Ours."""

Statistics: TypeAlias = Callable[[], Mapping[str, Any]]
Attributes: TypeAlias = Mapping[str, Any]
Counts: TypeAlias = tuple[Attributes, Mapping[str, Any]]
"""The attributes of a worker, and the counts of an app in it."""


def combined(all: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Sums, with the largest of what cannot be added: `peak_bytes` and lags. `ready` is that of all together."""
    transports = [dataclasses.asdict(each["transports"]) for each in all]
    peak = max(each["peak_bytes"] for each in transports)
    found: dict[str, Any] = {
        "transports": RegistryStatistics(**_sum(transports) | {"peak_bytes": peak}),
        "hubs": {
            hub: _sum(each["hubs"][hub] for each in all if hub in each["hubs"])
            for hub in dict.fromkeys(hub for each in all for hub in each["hubs"])
        },
    }
    if backplanes := [each["backplane"] for each in all if "backplane" in each]:
        found["backplane"] = _backplane(backplanes)
    if nodes := [each["nodes"] for each in all if "nodes" in each]:
        found["nodes"] = _sum(nodes)
    return found


def encoded(value: Any) -> bytes:
    """Statistics of an app, or a list with them, as JSON."""
    return json.dumps(value, default=_plain).encode()


def decoded(found: dict[str, Any]) -> dict[str, Any]:
    """Statistics of another process, read from JSON. Raises an error of any kind if that has not `encoded` them."""
    found["transports"] = RegistryStatistics(**found["transports"])
    if "backplane" in found:
        gaps = found["backplane"]["last_gaps"]
        found["backplane"]["last_gaps"] = [tuple(map(datetime.fromisoformat, gap)) for gap in gaps]
    return found


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else dataclasses.asdict(value)


def _sum(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for each in counts:
        for name, count in each.items():
            total[name] = total.get(name, 0) + count
    return total


def _backplane(all: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    brokers = dict.fromkeys(name for each in all for name in each["brokers"])
    seen = {name: [each["brokers"][name] for each in all if name in each["brokers"]] for name in brokers}
    return {
        **_sum({name: each[name] for name in ("channels", "deaf", "gaps", "gap_seconds")} for each in all),
        "ready": min(each["ready"] for each in all),
        "lag": _largest(each["lag"] for each in all),
        "brokers": {
            name: {"lag": _largest(each["lag"] for each in found), "deaf": max(each["deaf"] for each in found)}
            for name, found in seen.items()
        },
        "last_gaps": sorted(gap for each in all for gap in each["last_gaps"])[-GAPS_KEPT:],
    }


def _largest(values: Iterable[float | None]) -> float | None:
    return max((each for each in values if each is not None), default=None)


class RecentStatistics:
    """The counts of one app, read once for all metrics of a collection: in a worker its own, or those of each."""

    def __init__(self, statistics: Statistics, *, all_workers: bool) -> None:
        self._statistics, self._all_workers = statistics, all_workers
        self._read: list[Counts] = []
        self._until = float("-inf")

    def now(self) -> list[Counts]:
        now = time.monotonic()
        if now >= self._until:
            found = self._statistics()
            workers = found.get("workers")
            self._until = now + MOMENT
            self._read = [({}, found)]
            if workers is not None:
                own = os.getpid()
                some = [each for each in workers if self._all_workers or each["pid"] == own]
                self._read = [({WORKER: each["number"]}, each) for each in some]
        return self._read
