import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from hubline._extras import EXTRAS, lacks_extra, missing
from tests.test_architecture import ROOT, THIRD_PARTY

DEPENDENCIES = {"msgspec", "starlette", "typing_extensions"}
ELSEWHERE = {"pydantic", "xllamacpp"}
"""Imported by the application alone, and in a process of its own."""


def test_every_package_that_is_imported_and_is_no_dependency_is_named() -> None:
    assert set(EXTRAS) == set(THIRD_PARTY) - DEPENDENCIES - ELSEWHERE
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {each.removeprefix("hubline[").removesuffix("]") for each in EXTRAS.values() if each != "openai"}
    assert named <= set(project["optional-dependencies"])


@pytest.mark.parametrize("name", ["no_such_package", "jwt"])
def test_what_the_application_imports_itself_is_not_taken_for_an_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "importer.py").write_text(f"import {name}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ModuleNotFoundError) as caught:
        import_module("importer")
    assert not lacks_extra(caught.value)


def test_the_package_of_a_missing_module_is_named() -> None:
    error = ModuleNotFoundError("No module named 'redis.asyncio'", name="redis.asyncio")
    assert missing(error) == "the package 'redis' is missing: pip install 'hubline[redis]'"
