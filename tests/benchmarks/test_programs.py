"""The small programs beside the benchmarks: each runs, and prints figures that can be."""

import json
import subprocess
import sys
from typing import Any

import pytest

from benchmarks.machine import ROOT
from benchmarks.run_databases import _figures


def program(name: str, *arguments: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.skipif(sys.platform != "linux", reason="it chooses its cores")
def test_the_floor_under_a_viewer_is_measured_for_both_ways_to_write() -> None:
    found = program("run_floor", "--viewers", "20", "--seconds", "0.2", "--every-ms", "2", "--tokens", "2")
    assert [each["write"] for each in found] == ["socket.send", "transport.write"]
    for each in found:
        assert each["sum_us"] > 0
        assert each["us_per_token"] == pytest.approx(each["sum_us"] / 2, abs=0.01)


def test_the_part_of_the_library_is_measured_without_sockets() -> None:
    (found,) = program("run_viewers", "--viewers", "20", "--tokens", "20", "--rate", "500")
    assert 2 <= found["items_per_viewer"] <= 20 + 2  # `live` and `end` come besides
    assert found["alone_us_per_token"] > 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="it chooses its cores")
def test_workers_are_measured_on_one_core_and_on_two() -> None:
    found = program("run_workers", "--seconds", "0.1", "--rounds", "1", "--clients", "4")
    assert [each["workers"] for each in found[:3]] == [1, 2, 4]
    assert all(each["us_per_call"] > 0 and each["us_per_message"] > 0 for each in found[:3])
    for each in found[3:]:  # where there are two cores
        assert each["cores"] in (1, 2)
        assert each["per_second"] > 0


@pytest.mark.slow
@pytest.mark.valkey
@pytest.mark.postgres
@pytest.mark.skipif(sys.platform != "linux", reason="it chooses its cores")
def test_both_databases_are_measured() -> None:
    found = program("run_databases", "--seconds", "0.3", "--rates", "20,40")
    assert [(each["database"], each["asked_per_second"]) for each in found] == [
        (kind, rate) for kind in ("redis", "postgres") for rate in (20, 40)
    ]
    for each in found:
        assert 0 < each["p50_ms"] <= each["p99_ms"]
        assert each["per_second"] > 0


def test_a_database_ends_at_the_rate_at_which_it_loses_or_delays_messages() -> None:
    def keeps_up(took: list[float], seconds: float = 1.0) -> bool:
        return bool(_figures("redis", 100, 100, seconds, took, 0.5)["keeps_up"])

    assert keeps_up([0.1] * 100)
    assert not keeps_up([0.1] * 94)
    assert not keeps_up([0.1] * 100, seconds=1.5)
    assert not keeps_up([0.1] * 97 + [1.5] * 3)
    assert not keeps_up([])


@pytest.mark.skipif(sys.platform != "linux", reason="it chooses its cores")
def test_clients_are_measured() -> None:
    small = ("--calls", "10", "--items", "10", "--tokens", "10", "--rounds", "1", "--many", "3")
    ours = ("--client", "hubline.client", "--client", "hubline.client.sync")
    *lines, many = program("run_clients", *small, *ours)
    assert [(each["client"], each["codec"]) for each in lines] == [
        (client, codec) for codec in ("json", "messagepack") for client in ("hubline.client", "hubline.client.sync")
    ]
    for each in lines:
        assert all(each[f"{part}_wall_us"] > 0 for part in ("calls", "items", "tokens"))
    assert many["count"] == 3
    assert many["seconds"] > 0
