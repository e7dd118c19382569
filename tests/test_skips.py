"""What `conftest.py` does for every test: a skip is a failure in CI, wherever it is written; ids; logging; Ctrl+C."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SKIPS = {
    "test_module.py": "import pytest\npytest.skip('at import', allow_module_level=True)\n",
    "test_import.py": "import pytest\npytest.importorskip('no_such_module')\n",
    "test_call.py": "import pytest\ndef test_it():\n    pytest.skip('in a call')\n",
    "test_mark.py": "import pytest\n@pytest.mark.skipif(True, reason='by mark')\ndef test_it(): ...\n",
    "test_expected.py": "import pytest\n@pytest.mark.xfail\ndef test_it():\n    assert False\n",
    "test_optional.py": "import pytest\n@pytest.mark.refpeer\ndef test_it(): ...\n",
    "test_disguised.py": "import pytest\n@pytest.mark.refpeer\n@pytest.mark.skip\ndef test_it(): ...\n",
    "test_nginx.py": "import pytest\n@pytest.mark.nginx\ndef test_it(): ...\n",
    "test_both.py": "import pytest\n@pytest.mark.nginx\n@pytest.mark.site\ndef test_it(): ...\n",
}
MISSING = "\nNEEDS |= dict.fromkeys(('refpeer', 'nginx', 'site'), lambda: 'it is not here')\n"


@pytest.mark.parametrize(
    ("ci", "lacks", "outcome"),
    [
        ("", "", "8 skipped, 1 xfailed"),
        ("1", "", "2 failed, 1 skipped, 6 errors"),
        ("1", "nginx", "2 failed, 2 skipped, 5 errors"),
        ("1", "nginx site", "2 failed, 3 skipped, 4 errors"),
    ],
)
def test_in_ci_only_what_is_optional_may_be_left_out(ci: str, lacks: str, outcome: str, tmp_path: Path) -> None:
    """A marker for something optional excuses the lack of that, and no other skip of the test."""
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    refpeer\n    nginx\n    site\n")
    run = ran(tmp_path, SKIPS, HUBLINE_CI=ci, HUBLINE_CI_LACKS=lacks)
    assert f"{outcome} in " in run.stdout, run.stdout


def ran(
    directory: Path, files: Mapping[str, str], *before: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run pytest on these files, with this project's `conftest.py`, by the command `before`."""
    for name, text in ({"conftest.py": (ROOT / "conftest.py").read_text() + MISSING} | dict(files)).items():
        (directory / name).write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--continue-on-collection-errors"]
    return subprocess.run(
        [*before, *command], cwd=directory, env=os.environ | environment, capture_output=True, text=True
    )


def test_an_address_in_the_id_of_a_test_is_refused(tmp_path: Path) -> None:
    """Each process of pytest-xdist has another one, so they would not collect the same tests."""
    test = "import pytest\n@pytest.mark.parametrize('call', [lambda: 1], ids=str)\ndef test_it(call): ...\n"
    assert "test_addresses.py::test_it[<function <lambda> at 0x" in ran(tmp_path, {"test_addresses.py": test}).stderr


def test_the_next_test_finds_logging_as_it_was_before_the_first(tmp_path: Path) -> None:
    """Whatever the first sets up: the root logger, one that is made by it as a server's, and that nothing is logged."""
    test = """
import logging, logging.config, pytest

@pytest.mark.parametrize("number", [1, 2])
def test_it(number, caplog):
    logging.getLogger("hubline.test").info("nobody asked for this")
    logging.getLogger("hubline.watchdog").error("the machine is busy")
    logging.getLogger("uvicorn.error").warning("news")
    assert caplog.messages == ["news"]
    handler = {"class": "logging.StreamHandler"}
    plain = {"level": "INFO", "handlers": ["h"], "propagate": False}
    logging.config.dictConfig(
        {"version": 1, "handlers": {"h": handler}, "loggers": {"uvicorn.error": plain}, "root": {"level": "INFO"}}
    )
    logging.disable()
"""
    run = ran(tmp_path, {"test_logging.py": test})
    assert "2 passed" in run.stdout, run.stdout


def test_tests_in_the_background_can_be_interrupted(tmp_path: Path) -> None:
    """A shell has programs in the background ignore Ctrl+C, and those that they start."""
    test = """
import os, signal, subprocess, sys, pytest

def test_it():
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
    ends = [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGINT)"]
    assert subprocess.run(ends, stderr=subprocess.DEVNULL).returncode == -signal.SIGINT
"""
    run = ran(tmp_path, {"test_interrupted.py": test}, "sh", "-c", "trap '' INT; exec \"$@\"", "sh")
    assert "1 passed" in run.stdout, run.stdout
