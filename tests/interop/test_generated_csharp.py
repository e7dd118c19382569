"""Generated C#: compiled, and run with Microsoft's client against our server."""

import asyncio
import re
from pathlib import Path

import pytest

from hubline.contract.csharp import csharp
from hubline.contract.document import contract
from tests.docs.pages import served
from tests.interop.dotnet_program import compiled, mistakes_in, output_of
from tests.interop.test_generated_clients import APP

PROGRAM = Path(__file__).parent / "dotnet" / "Tree.cs"
SEEN = ["oak 0 2", "large,large oak", "elm", "b", "5", "0", "1", "1 y z", "phone tea?"]


MISTAKES = """using Hubs;
static class Mistakes
{
    static async System.Threading.Tasks.Task Of(TreeHub tree)
    {
        await tree.GrowAsync(new LeafInput { OwnName = 1 });
        await tree.GrowAsync(new Promise());
        await tree.GrowAsync();
        await tree.GrowAsync(new LeafInput(), "2");
        tree.OnShrunk(() => { });
        tree.OnGrown((string leaf, long count) => { });
        tree.OnChoose(leaves => 1);
        long number = await tree.ChosenAsync();
        await tree.NothingAsync();
    }
}
"""

pytestmark = [pytest.mark.refpeer, pytest.mark.mcs]


@pytest.fixture
def made(tmp_path: Path) -> Path:
    file = tmp_path / "Hubs.cs"
    file.write_text(csharp(contract([(hub.path, hub) for hub in APP.describe()], title="")), "utf-8")
    return file


async def test_a_program_calls_streams_uploads_and_answers(made: Path) -> None:
    program = await asyncio.to_thread(compiled, PROGRAM, made.parent, made)
    async with served(APP) as address:
        output = await asyncio.to_thread(output_of, program, f"{address}/tree", seconds=100)
    assert output.splitlines() == SEEN


def test_the_compiler_finds_each_mistake(made: Path) -> None:
    source = made.parent / "Mistakes.cs"
    source.write_text(MISTAKES, "utf-8")
    found = mistakes_in(source, made, program=made.parent / "Mistakes.dll")
    lines = {int(line) for line in re.findall(r"Mistakes\.cs\((\d+),\d+\): error", found)}
    assert lines == set(range(6, 15)), found
