"""The plan for many connections, from constants that are easy to calculate with."""

from dataclasses import replace

import pytest

from benchmarks import page, paper
from benchmarks.__main__ import WHOLE_RESULT
from benchmarks.machine import ROOT
from benchmarks.paper import Constants, Load, constants, plan
from benchmarks.results import Measurement, Result, load

KNOWN = Constants(
    delivery=5.0,
    call=40.0,
    hearing=10.0,
    publish=5.0,
    passing=1.0,
    resting=1.0,
    memory=20_000.0,
    redis_memory=300.0,
    connect=300.0,
    redis_connect=8.0,
    message=130,
    envelope=300,
)


def test_servers_are_as_many_as_their_connections_ask_for_while_cores_have_room() -> None:
    found = plan(Load("quiet", 100.0, 1), 100_000, KNOWN)
    assert found.servers == 10
    assert found.heard == pytest.approx(1.0)
    # a call, a server that hears and a delivery for each message, and the pings
    assert found.share == pytest.approx((100 * (40 + 10 + 5) + 100_000) / 1e6 / 10)
    assert found.redis == pytest.approx(100 * (5 + 1) / 1e6)
    assert found.nodes == 1
    assert found.client_bytes == 100 * (130 + 66)
    assert found.redis_bytes == pytest.approx(100 * 300)


def test_a_load_that_fills_the_cores_has_more_servers_and_each_more_hears_too() -> None:
    busy = Load("busy", 20_000.0, 100)
    found = plan(busy, 10_000, KNOWN)
    assert found.servers > 1
    assert found.share <= 0.6
    assert found.heard == pytest.approx(found.servers * (1 - (1 - 1 / found.servers) ** 100))
    fewer = found.servers - 1
    assert paper._cores(busy, 10_000, fewer, KNOWN) > fewer * 0.6


def test_what_breaks_first_is_whatever_is_fuller() -> None:
    spread = plan(Load("groups", 10_000.0, 100), 1_000_000, KNOWN)
    assert spread.breaks[0] == "Redis"
    assert spread.breaks[1] == pytest.approx(1 / spread.redis)
    assert plan(Load("all", 1.0, 1_000_000), 1_000_000, KNOWN).breaks[0] == "the servers"
    free = replace(KNOWN, publish=0.0, passing=0.0, call=0.0, hearing=0.0, delivery=0.0, resting=0.0)
    assert plan(Load("nothing", 1.0, 1), 10, free).breaks[1] == float("inf")


def test_more_nodes_of_redis_are_needed_above_three_fifths_of_a_core() -> None:
    found = plan(Load("groups", 20_000.0, 100), 1_000_000, KNOWN)
    assert found.redis == pytest.approx(20_000 * (5 + found.heard) / 1e6)
    assert found.nodes == 3
    assert found.month(0.5) == pytest.approx((found.servers + 3) * 0.5 * 730)


def measured() -> Result:
    rows: dict[str, dict[str, float]] = {
        "idle": {"server_cpu": 0.01, "connections": 5_000},
        "paced": {"user_us": 2.0, "kernel_us": 3.0},
        "growth-servers": {"1": 1.0, "2": 1.2, "4": 1.6},  # 100 recipients: 20 µs for each server more
        "growth-redis": {"1": 6.0, "2": 7.0, "4": 9.0},
        "backplane-hop": {"first_us": 36.0},
        "recovery": {"server_bytes": 17_000, "redis_bytes": 280, "connect_us": 290, "connect_redis_us": 8},
    }
    machine = {"when": "2026-12-01T08:00:00+00:00", "commit": "abc"}
    return Result(
        machine,
        {"message_size": 64},
        {"hubline": {"name": "Hubline", "version": "1"}},
        {},
        measurements=[Measurement(0, "hubline", row, figures) for row, figures in rows.items()],
    )


def test_constants_come_from_the_rows() -> None:
    known = constants(measured())
    assert known is not None
    assert known.passing == pytest.approx(1.0)
    assert known.publish == pytest.approx(5.0)
    assert known.hearing == pytest.approx(19.0)
    assert known.call == 36.0
    assert known.delivery == 5.0
    assert known.resting == pytest.approx(2.0)
    assert (known.memory, known.redis_memory, known.connect, known.redis_connect) == (17_000, 280, 290, 8)
    assert (known.message, known.envelope) == (130, 306)


def test_the_tables_name_each_constant_the_price_and_what_breaks() -> None:
    text = paper.figures(measured(), 1_000_000, 0.5)
    assert "### 1,000,000 connections, 0.5 dollars an hour for a core" in text
    assert text.count("\n| ") == 2 + len(paper.SOURCES) + 2 + len(paper.loads(1))
    assert "Redis cannot do it: it is full at" in text
    assert "One Redis needs 8.0 s of its own" in text
    some = measured()
    some.measurements.pop()
    assert paper.figures(some) == ""


def test_the_page_has_the_figures_of_the_last_whole_run() -> None:
    text = paper.figures(load(WHOLE_RESULT))
    assert text
    assert text in (ROOT / page.PAPER).read_text("utf-8")
