import json
import resource
from pathlib import Path

import pytest

from benchmarks.broadcast import allow_files, main


def test_a_small_run_measures_both_modes_and_keeps_the_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results" / "broadcast.json"
    arguments = ["--connections", "5", "--messages", "4", "--every", "1", "--repeat", "2", "--json", str(results)]
    main(arguments)
    table = capsys.readouterr().out
    assert table.startswith("5 connections, 4 messages of 64 characters\n")
    assert "user µs" in table
    assert "kernel µs" in table
    result = json.loads(results.read_text())
    assert [len(result["runs"][mode]) for mode in ("burst", "paced")] == [2, 2]
    assert all(run["user_us"] + run["kernel_us"] > 0 for run in result["runs"]["burst"])  # the split comes in ticks
    assert all(run["delivered_per_second"] > 0 for run in result["runs"]["burst"])
    assert result["packages"]["hubline"]
    assert result["parameters"]["connections"] == 5


def test_too_few_open_files_are_told() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY:
        allow_files(64)
    else:
        with pytest.raises(SystemExit, match=f"{hard + 1} open files are needed, the system allows {hard}"):
            allow_files(hard + 1)
