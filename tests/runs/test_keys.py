import pytest

from hubline import HubError
from hubline.runs import keys
from hubline.runs.keys import Keys


async def test_a_key_is_kept_for_its_time_from_the_end_of_its_run() -> None:
    found = Keys(keep=100)
    found.claim("ada", "k", "run-1", "request", now=0)
    assert found.claim("ada", "k", "run-2", "request", now=10_000).run_id == "run-1"
    found.ended("ada", "k", now=10_000)
    assert found.claim("ada", "k", "run-2", "request", now=10_099).run_id == "run-1"
    with pytest.raises(HubError):
        found.claim("ada", "k", "run-2", "another", now=10_099)
    assert found.claim("ada", "k", "run-2", "another", now=10_100).run_id == "run-2"


async def test_of_too_many_the_oldest_ends_are_forgotten_and_never_one_that_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keys, "MOST", 3)
    found = Keys(keep=100)
    found.claim("ada", "live", "run-0", "request", now=0)
    for number in range(1, 5):
        found.claim("ada", str(number), f"run-{number}", "request", now=0)
        found.ended("ada", str(number), now=number)
    assert len(found) == 3
    assert found.claim("ada", "live", "other", "request", now=5).run_id == "run-0"
    assert found.claim("ada", "4", "other", "request", now=5).run_id == "run-4"
    assert found.claim("ada", "1", "other", "request", now=5).run_id == "other"
