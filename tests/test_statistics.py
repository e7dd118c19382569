"""Statistics of several processes, as one."""

import json
from datetime import UTC, datetime
from typing import Any

from hubline.statistics import WORKER, RecentStatistics, combined, decoded, encoded
from hubline.transports.registry_statistics import RegistryStatistics


def moment(second: int) -> datetime:
    return datetime(2026, 11, 29, 12, 0, second, tzinfo=UTC)


def of_one(number: int, **more: Any) -> dict[str, Any]:
    """Figures that differ in every number."""
    transports = RegistryStatistics(number, 0, 2 * number, 3 * number, 0, 10 * number, number)
    return {"transports": transports, "hubs": {"Chat": {"connections": number, "groups": 1}}, **more}


def backplane(ready: bool, lag: float | None, *gaps: int) -> dict[str, Any]:
    return {
        "channels": 2,
        "ready": ready,
        "lag": lag,
        "deaf": 0,
        "brokers": {"a:1": {"lag": lag, "deaf": not ready}},
        "gaps": len(gaps),
        "gap_seconds": 1.5 * len(gaps),
        "last_gaps": [(moment(each), moment(each + 1)) for each in gaps],
    }


def test_counts_are_added_and_the_largest_peak_is_kept() -> None:
    found = combined([of_one(1), of_one(2) | {"hubs": {"News": {"connections": 5}}}])
    assert found == {
        "transports": RegistryStatistics(3, 0, 6, 9, 0, 20, 3),
        "hubs": {"Chat": {"connections": 1, "groups": 1}, "News": {"connections": 5}},
    }


def test_a_backplane_is_ready_if_it_is_for_all_and_gaps_are_in_the_order_of_time() -> None:
    found = combined([of_one(1, backplane=backplane(True, 0.5, 7)), of_one(1, backplane=backplane(False, None, 3))])
    assert found["backplane"] == {
        "channels": 4,
        "ready": False,
        "lag": 0.5,
        "deaf": 0,
        "brokers": {"a:1": {"lag": 0.5, "deaf": True}},
        "gaps": 2,
        "gap_seconds": 3.0,
        "last_gaps": [(moment(3), moment(4)), (moment(7), moment(8))],
    }
    assert combined([of_one(1, nodes={"forwarding": 1}), of_one(1, nodes={"forwarding": 2})])["nodes"] == {
        "forwarding": 3
    }


def test_another_process_reads_the_same() -> None:
    figures = of_one(3, backplane=backplane(True, 0.5, 1, 2), nodes={"forwarding": 1})
    assert decoded(json.loads(encoded(figures))) == figures


def test_a_collection_reads_once_and_sees_its_own_worker_or_all(monkeypatch: Any) -> None:
    asked = []

    def all_of_them() -> dict[str, Any]:
        asked.append(1)
        return {"workers": [{"number": 0, "pid": 1}, {"number": 1, "pid": 2}]}

    monkeypatch.setattr("hubline.statistics.os.getpid", lambda: 2)
    own, every = (RecentStatistics(all_of_them, all_workers=all_workers) for all_workers in (False, True))
    assert [where for where, _ in own.now()] == [{WORKER: 1}]
    assert [where for where, _ in every.now()] == [{WORKER: 0}, {WORKER: 1}]
    assert own.now() is own.now()
    assert len(asked) == 2
    alone = RecentStatistics(lambda: {"hubs": {}}, all_workers=True)
    assert alone.now() == [({}, {"hubs": {}})]
