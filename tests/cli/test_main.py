import subprocess
import sys
from importlib.metadata import version

import pytest
from typer.testing import CliRunner

from hubline.cli.commands import commands
from hubline.cli.main import app


def test_the_version_is_that_of_the_distribution() -> None:
    result = CliRunner().invoke(commands, ["--version"])
    assert result.exit_code == 0
    assert result.stdout == f"hubline {version('hubline')}\n"


def test_it_is_a_module_too() -> None:
    command = [sys.executable, "-m", "hubline", "--version"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.startswith("hubline ")


def test_without_a_command_the_help_is_shown() -> None:
    result = CliRunner().invoke(commands, [])
    assert "Usage:" in result.output
    assert "run" in result.output


def test_a_missing_package_is_told_with_the_extra_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "hubline.cli.commands")
    monkeypatch.setitem(sys.modules, "typer", None)
    with pytest.raises(SystemExit, match=r"the package 'typer' is missing: pip install 'hubline\[server\]'"):
        app()


def test_a_missing_module_of_our_own_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("commands", "serving"):
        monkeypatch.delitem(sys.modules, f"hubline.cli.{name}")
    monkeypatch.setitem(sys.modules, "hubline.cli.loading", None)
    with pytest.raises(ModuleNotFoundError, match=r"hubline\.cli\.loading"):
        app()
