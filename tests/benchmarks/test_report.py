"""Tables, charts and the page, from fixed figures."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import page, report
from benchmarks.__main__ import WHOLE_RESULT
from benchmarks.results import Failure, Measurement, Result, load
from benchmarks.rows import catalogue
from benchmarks.warming import WarmUp

CALLS = catalogue.named(["calls"])[0]
PACED = catalogue.named(["paced-streams"])[0]


def figures(per_second: float, client_cpu: float = 0.5) -> dict[str, float]:
    rest = dict.fromkeys(("p50_ms", "p99_ms", "user_us", "kernel_us"), 1.0)
    return rest | {"per_second": per_second, "server_cpu": 0.99, "client_cpu": client_cpu}


def result(*measurements: Measurement) -> Result:
    machine = {
        "when": "2026-11-25T12:00:00+00:00",
        "commit": "abc",
        "cpu": "a processor",
        "cores": 2,
        "system": "Linux 6",
        "python": "3.13.0",
        "packages": {"hubline": "0.1.0"},
    }
    names = {"hubline": "Hubline", "other": "Other & Sons"}
    described = {key: {"name": name, "version": "1"} for key, name in names.items()}
    return Result(machine, {"rounds": 3}, described, {}, measurements=list(measurements))


THREE_ROUNDS = result(
    *(Measurement(number, "hubline", "calls", figures(value)) for number, value in enumerate((100, 300, 200))),
    *(Measurement(number, "other", "calls", figures(value)) for number, value in enumerate((50, 100, 200))),
)


def test_a_figure_is_the_median_of_the_rounds_and_the_best_comes_first() -> None:
    _, heads, lines = next(report.tables(THREE_ROUNDS))
    assert heads[:2] == ["", "calls/s"]
    assert [line[:2] for line in lines] == [["Hubline", "200"], ["Other & Sons", "100"]]


def test_a_ratio_is_taken_within_each_round() -> None:
    # 2, 3 and 1; the medians would give 200/100.
    skewed = result(
        *(Measurement(number, "hubline", "calls", figures(value)) for number, value in enumerate((100, 300, 50))),
        *(Measurement(number, "other", "calls", figures(value)) for number, value in enumerate((10, 100, 50))),
    )
    assert skewed.ratio(CALLS, "other") == 3.0
    assert skewed.median("calls", "hubline", "per_second") / skewed.median("calls", "other", "per_second") == 2.0


def test_beside_the_ratio_stands_that_to_the_best_round_of_the_peer() -> None:
    _, heads, lines = next(report.tables(THREE_ROUNDS))
    assert heads[-3:] == ["Hubline is", "of its best", "by µs"]
    assert lines[0][-3:] == ["", "", ""]
    assert lines[1][-3:] == ["2.00 x", "1.00 x", "1.00 x"]  # 200, the median, to 200, the best


def test_what_the_same_costs_in_cpu_is_compared_within_each_round() -> None:
    dear = figures(1) | {"user_us": 4.0, "kernel_us": 1.0}
    both = result(Measurement(0, "hubline", "calls", figures(1)), Measurement(0, "other", "calls", dear))
    assert both.cost_ratio(CALLS, "other") == 2.5
    assert both.cost_ratio(catalogue.named(["idle"])[0], "other") is None


def test_where_less_is_better_the_ratio_is_turned_round() -> None:
    common = {"gap_p50_ms": 20.0, "gap_p99_ms": 25.0, "user_us": 1.0, "kernel_us": 1.0, "client_cpu": 0.1}
    paced = result(
        Measurement(0, "hubline", "paced-streams", common | {"server_cpu": 0.2}),
        Measurement(0, "other", "paced-streams", common | {"server_cpu": 0.4}),
    )
    assert paced.ratio(PACED, "other") == 2.0
    paced.measurements.append(Measurement(1, "other", "paced-streams", common | {"server_cpu": 0.1}))
    assert paced.ratio_to_best(PACED, "other") == 0.5
    assert report.ordered(paced, PACED) == ["hubline", "other"]


def test_without_a_common_round_there_is_no_ratio() -> None:
    apart = result(
        Measurement(0, "hubline", "calls", figures(1)),
        Measurement(1, "other", "calls", figures(1)),
    )
    assert apart.ratio(CALLS, "other") is None
    assert result(Measurement(0, "other", "calls", figures(1))).ratio_to_best(CALLS, "other") is None


def test_a_figure_that_the_client_limited_is_marked_as_a_lower_bound() -> None:
    busy = result(
        Measurement(0, "hubline", "calls", figures(200, client_cpu=0.95)),
        Measurement(0, "other", "calls", figures(100)),
    )
    _, _, lines = next(report.tables(busy))
    assert lines[0][1] == "≥ 200"
    assert lines[1][1] == "100"
    assert lines[1][-3:] == ["≥ 2.00 x", "≥ 2.00 x", "1.00 x"]
    assert "≥ 200" in dict(page.charts(busy))["calls-light.svg"]
    assert any("Hubline (calls)" in note for note in report.notes(busy))


def test_what_failed_or_is_missing_is_told() -> None:
    told = result()
    told.missing["Third"] = "install it"
    told.failures.append(Failure(1, "other", "burst", "2 messages came where 3 were sent"))
    assert report.notes(told) == [
        "Third was left out: install it.",
        "Other & Sons failed in round 2 of burst: 2 messages came where 3 were sent.",
    ]


def test_a_machine_that_did_something_else_is_noticed() -> None:
    slow = figures(100, client_cpu=0.2) | {"server_cpu": 0.5}
    told = report.notes(result(Measurement(0, "hubline", "calls", slow), Measurement(0, "other", "calls", figures(1))))
    assert len(told) == 1
    assert told[0].endswith("something else ran on this machine, or slept: Hubline (calls).")


def test_the_page_tells_how_everybody_was_warmed() -> None:
    warmed = result(*THREE_ROUNDS.measurements)
    warmed.warm_ups = [
        WarmUp("hubline", "calls", [100, 102, 101], 3.0, True),
        WarmUp("other", "calls", [50, 60, 90], 30.2, False),
    ]
    heads, lines = report.warming(warmed)
    assert heads == ["", "Hubline", "Other & Sons"]
    assert lines == [["Echo calls, JSON", "1.02 x, 3 s", "1.80 x, 30 s"]]
    assert "### Warming" in page.figures(warmed)
    assert "### Warming" not in page.figures(THREE_ROUNDS)
    rising = [note for note in report.notes(warmed) if "time for warming" in note]
    assert len(rising) == 1
    assert rising[0].endswith("was over: Other & Sons (calls).")


def test_who_is_left_out_is_told_by_reason() -> None:
    apart = result(Measurement(0, "hubline", "calls", figures(1)))
    apart.left_out = {"hubline": {}, "other": {"calls": "it makes none"}}
    assert report.left_out(apart, CALLS) == "Left out: Other & Sons (it makes none)."
    assert report.left_out(apart, PACED) == ""
    assert "Left out: Other & Sons (it makes none)." in page.figures(apart)


def test_a_curve_says_by_how_much_it_grows() -> None:
    grown = result(Measurement(0, "hubline", "growth-groups", {"1": 2.0, "10000": 3.0}))
    _, heads, lines = next(report.tables(grown))
    assert heads == ["groups", "1", "10,000", "grows by"]
    assert lines == [["Hubline", "2.00", "3.00", "+50%"]]
    assert "polyline" in dict(page.charts(grown))["growth-groups-dark.svg"]


def test_charts_are_well_formed_with_our_bar_in_the_accent_colour() -> None:
    drawn = dict(page.charts(THREE_ROUNDS))
    assert sorted(drawn) == ["calls-dark.svg", "calls-light.svg", "overview-dark.svg", "overview-light.svg"]
    for name, accent in (("calls-light.svg", "#0f766e"), ("calls-dark.svg", "#2dd4bf")):
        tree = ElementTree.fromstring(drawn[name])
        bars = [each.attrib for each in tree.iter("{http://www.w3.org/2000/svg}rect")]
        assert [each["fill"] == accent for each in bars] == [True, False]
        assert float(bars[0]["width"]) == pytest.approx(2 * float(bars[1]["width"]), rel=0.01)


def test_the_readme_has_a_chart_and_everybodys_rates() -> None:
    both = result(*THREE_ROUNDS.measurements, Measurement(0, "hubline", "burst", figures(5_000)))
    told = page.summary(both)
    assert 'src="docs/images/benchmarks/overview-light.svg"' in told
    assert "| a second, on one core | Hubline | Other & Sons |" in told
    assert "| Echo calls, JSON (calls/s) | **200** | 100 |" in told
    assert "(messages/s) | **5,000** |  |" in told
    assert "Medians of 3 rounds on a processor, Python 3.13.0." in told
    assert "of ASP.NET Core" not in told


def test_the_readme_begins_with_the_original_where_it_was_measured() -> None:
    rows = ("calls", "burst", "streams")
    both = result(
        *(Measurement(0, "hubline", row, figures(value)) for row, value in zip(rows, (260, 50, 99), strict=True)),
        *(Measurement(0, page.ORIGINAL, row, figures(100)) for row in rows),
        *(Measurement(1, page.ORIGINAL, row, figures(80)) for row in rows),
    )
    both.peers[page.ORIGINAL] = {"name": "ASP.NET Core", "version": "10"}
    assert page.summary(both).startswith(
        "On one core Hubline answers 2.6 times the calls, delivers 0.5 times the broadcasts and streams 1.0 times the "
        "tokens of ASP.NET Core.\n\n<picture>"
    )


def test_markdown_sets_hubline_apart() -> None:
    table = report.markdown(["", "x"], [["Hubline", "1"], ["Other", ""]])
    assert table == "|  | x |\n| --- | ---: |\n| **Hubline** | **1** |\n| Other |  |"


def test_a_page_without_the_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="needs the lines"):
        page.with_figures("nothing", "1")


def test_the_documentation_has_the_figures_and_charts_of_the_committed_result() -> None:
    root = Path(__file__).parents[2]
    committed = load(WHOLE_RESULT)
    for name, content in ((page.PAGE, page.figures(committed)), (page.README, page.summary(committed))):
        text = (root / name).read_text("utf-8")
        assert page.with_figures(text, content) == text
    drawn = {path.name: path.read_text("utf-8") for path in (root / page.IMAGES).iterdir()}
    assert drawn == dict(page.charts(committed))


def test_rows_of_another_run_take_the_place_of_those_rows_alone_and_say_when_they_were_measured() -> None:
    before = result(
        Measurement(0, "hubline", "calls", figures(100)),
        Measurement(0, "other", "calls", figures(50)),
        Measurement(0, "hubline", "connects", figures(7)),
    )
    before.failures.append(Failure(1, "other", "calls", "it ended"))
    before.warm_ups.append(WarmUp("hubline", "connects", [1.0], 4.0, True))
    again = result(Measurement(0, "hubline", "calls", figures(200)))
    again.machine |= {"when": "2026-12-01T08:00:00+00:00", "commit": "def"}
    again.left_out["other"] = {"calls": "it is away"}
    merged = before.with_rows(again, [CALLS])
    assert merged.values("calls", "hubline", "per_second") == [200]
    assert merged.measured("calls") == ["hubline"]
    assert merged.values("connects", "hubline", "per_second") == [7]
    assert merged.failures == []
    assert merged.warm_ups == before.warm_ups
    assert merged.machine["commit"] == "abc"
    text = page.figures(merged)
    assert text.count("Measured by itself: 2026-12-01T08:00:00+00:00, commit def, 3 rounds.") == 1
    assert "Left out: Other & Sons (it is away)." in text
    assert merged.with_rows(before, [CALLS]).later["calls"]["machine"]["commit"] == "abc"


def test_several_servers_have_a_part_of_the_page() -> None:
    hop = figures(30) | {"redis_us": 0.25}
    told = result(Measurement(0, "hubline", "calls", figures(100)), Measurement(0, "hubline", "backplane-hop", hop))
    told.later["backplane-hop"] = {"machine": told.machine | {"redis": "Valkey 9"}, "settings": told.settings}
    first, second = page.figures(told).split("## Figures of several servers")
    assert "Echo calls, JSON" in first
    assert "of it Redis µs" in second
    assert "0.25" in second
    assert "commit abc, 3 rounds; Valkey 9." in second
