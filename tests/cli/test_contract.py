import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hubline.cli.commands import commands

HUBS = """
from dataclasses import dataclass
from fastapi import FastAPI
from hubline import Hub, HubApp

@dataclass
class Note:
    note_text: str

class NoteHub(Hub):
    async def add(self, note: Note{more}) -> int: ...

hubs = HubApp({{"/notes": NoteHub}})
app = FastAPI(lifespan=hubs.lifespan)
app.mount("/live", hubs)
without = FastAPI()
"""


def contract(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(commands, ["contract", *arguments])
    return result.exit_code, result.output


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    for name, more in {"notes_old": "", "notes_breaking": ", place: int", "notes_fitting": ", place: int = 0"}.items():
        (tmp_path / f"{name}.py").write_text(HUBS.format(more=more))
    return tmp_path


def test_it_is_written_to_the_screen_or_a_file(directory: Path) -> None:
    status, output = contract("notes_old:app", "--title", "Notes")
    found = json.loads(output)
    assert (status, found["info"]["title"]) == (0, "Notes")
    assert found["channels"]["live_notes"]["address"] == "/live/notes"
    assert set(found["components"]["schemas"]["Note"]["properties"]) == {"noteText"}
    file = directory / "contract.json"
    assert contract("notes_old:app", "--title", "Notes", "-o", str(file)) == (0, "")
    assert file.read_text() == output


def test_changes_that_break_clients_give_status_1(directory: Path) -> None:
    old = directory / "old.json"
    contract("notes_old:app", "-o", str(old))
    assert contract("notes_old:app", "--against", str(old)) == (0, "no changes\n")
    assert contract("notes_fitting:app", "--against", str(old)) == (
        0,
        "fits    /live/notes Add: parameter 'place' is new, with a default\n",
    )
    assert contract("notes_breaking:app", "--against", str(old)) == (
        1,
        "breaks  /live/notes Add: parameter 'place' is new, without a default\n",
    )


def test_mistakes(directory: Path) -> None:
    status, output = contract("notes_old:without")
    assert status == 1
    assert output.startswith("error: notes_old:without has no hubs")
    wrong = directory / "wrong.json"
    wrong.write_text('{"asyncapi": "3.0.0", "channels": {"a": {}}, "operations": {}, "components": {"schemas": {}}}')
    for file, text in (
        (wrong, "is not a contract"),
        (directory / "none.json", "cannot be read"),
        (directory / "notes_old.py", "is not JSON"),
    ):
        status, output = contract("notes_old:app", "--against", str(file))
        assert status == 1
        assert text in output
    status, output = contract("notes_old:app", "-o", str(directory / "no" / "where.json"))
    assert status == 1
    assert "cannot be written" in output


def test_clients_are_generated_from_an_application_or_from_a_contract(directory: Path) -> None:
    file, made = directory / "contract.json", directory / "made.ts"
    contract("notes_old:app", "-o", str(file))
    status, output = generate("typescript", "notes_old:app")
    assert status == 0
    assert "export class NoteHub {" in output
    assert generate("typescript", str(file), "-o", str(made)) == (0, "")
    assert made.read_text() == output
    assert "public sealed class " in generate("csharp", "notes_old:app")[1]
    assert generate("cobol", "notes_old:app")[0] == 2
    assert "has no hubs" in generate("typescript", "notes_old:without")[1]
    assert "cannot be read" in generate("typescript", str(directory / "none.json"))[1]


def generate(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(commands, ["generate", *arguments])
    return result.exit_code, result.output
