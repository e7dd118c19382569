"""Generated Python: checked by mypy as strictly as it can, and run against our server with both codecs."""

import asyncio
import importlib.util
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hubline.client import HubConnection
from hubline.contract.document import contract
from hubline.contract.python import python
from tests.docs.pages import served
from tests.interop.test_generated_clients import APP

PROGRAM = """
from collections.abc import AsyncIterator

from made import Leaf, LeafInput, Odd, Promise, TreeHub, handle_tree_hub
from hubline.client import HubConnection


class Calls:
    async def grown(self, leaf: Leaf, new: int) -> None: ...

    async def choose(self, leaves: list[Leaf]) -> LeafInput:
        return LeafInput(own_name=leaves[1].own_name)


class Mistaken:
    async def grown(self, leaf: str, new: int) -> None: ...

    async def choose(self, leaves: list[Leaf]) -> LeafInput:
        return LeafInput(own_name="a")


async def correct(connection: HubConnection, tree: TreeHub) -> int:
    handle_tree_hub(connection, Calls())
    async for leaf in tree.leaves(2):
        print(leaf.own_name)
    await tree.grow(LeafInput(own_name="oak", kind="large"))
    return await tree.longest(words(), 2)


async def words() -> AsyncIterator[str]:
    yield "one"


async def mistaken(connection: HubConnection, tree: TreeHub) -> None:
    handle_tree_hub(connection, Mistaken())  # wrong
    await tree.grow(LeafInput(own_name=1))  # wrong
    await tree.grow(LeafInput(own_name="x", kind="huge"))  # wrong
    await tree.grow(Promise(x=(1, "y")))  # wrong
    await tree.grow()  # wrong
    await tree.grow(LeafInput(own_name="x"), "2")  # wrong
    number: int = await tree.chosen()  # wrong
    await tree.nothing()  # wrong
    Odd(not_a_name="x", default="y")  # wrong
"""

pytestmark = pytest.mark.client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    text = python(contract([(hub.path, hub) for hub in APP.describe()], title=""))
    (tmp_path / "made.py").write_text(text, "utf-8")
    return tmp_path


async def test_mypy_finds_each_mistake_and_no_other(folder: Path) -> None:
    program = folder / "program.py"
    program.write_text(PROGRAM, "utf-8")
    command = (
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--no-error-summary",
        "--no-incremental",
        "program.py",
        "made.py",
    )
    process = await asyncio.create_subprocess_exec(*command, cwd=folder, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    found = {int(line) for line in re.findall(r"^program\.py:(\d+): error", output.decode(), re.MULTILINE)}
    lines = PROGRAM.splitlines()
    assert found == {number for number, line in enumerate(lines, 1) if line.endswith("# wrong")}, output.decode()
    assert "made.py" not in output.decode()


@pytest.mark.parametrize("codec", ["json", "messagepack"])
async def test_a_program_calls_streams_uploads_and_answers(folder: Path, codec: Any) -> None:
    made = imported(folder / "made.py")
    grown = []

    class Calls:
        async def grown(self, leaf: Any, new: int) -> None:
            grown.append((type(leaf).__name__, new))

        async def choose(self, leaves: list[Any]) -> Any:
            return made.LeafInput(own_name="b")

    async def words() -> AsyncIterator[str]:
        for word in ("one", "three"):
            yield word

    async with served(APP) as address, HubConnection(f"{address}/tree", codec=codec) as connection:
        made.handle_tree_hub(connection, Calls())
        tree = connection.typed(made.TreeHub)
        page = await tree.grow(made.LeafInput(own_name="oak", kind="large"))
        assert [(leaf.own_name, leaf.kind) for leaf in page.items] == [("oak", "large")] * 2
        assert page.by_name["new"] == page.items[0]
        assert (await tree.grow(made.LeafInput(own_name="elm"), 1, "other")).by_name["other"].kinds == []
        with pytest.raises(TypeError, match="'times' must be given, because 'name' is"):
            await tree.grow(made.LeafInput(own_name="elm"), name="other")
        assert await tree.chosen() == "b"
        assert await tree.longest(words()) == 5
        assert [leaf.own_name async for leaf in tree.leaves(2)] == ["0", "1"]
        odd = made.Odd(not_a_name=1, default="x")
        assert await tree.tree_odd(odd, made.Promise(x=(1, "y"))) == made.Promise(x=(1, "y"))
        assert await tree.on("z") == "z"
        await tree.connection()
    assert [new for _, new in grown] == [2, 1]


@pytest.mark.parametrize("codec", ["json", "messagepack"])
async def test_a_program_is_in_a_room(folder: Path, codec: Any) -> None:
    made = imported(folder / "made.py")
    async with served(APP) as address, HubConnection(f"{address}/kitchen", codec=codec) as connection:
        kitchen = connection.typed(made.Kitchen)
        position = await kitchen.send_to_room(codec, "tea?")
        joined = await kitchen.join_room(codec, None, made.JoinOptions(device="phone"))
        assert [(each.position, each.data) for each in joined.messages] == [(position, "tea?")]
        assert joined.members[0].devices[0].name == "phone"
        assert await kitchen.room_runs(codec) == []


def imported(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("made_by_generate", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
