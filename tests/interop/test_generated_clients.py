"""Generated clients: compiled by the real compiler as strictly as it can, and run on Node.js against our server."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypedDict, TypeVar

import pytest

from hubline import Hub, HubApp, hub_method
from hubline.contract.document import contract
from hubline.contract.typescript import typescript
from hubline.rooms import Rooms, RoomsHub, anyone
from hubline.runs import Runs, RunsHub
from tests.docs.pages import ADDRESS, ROOT, blocks, served
from tests.processes import child_process

NODE_MODULES = ROOT / "packages" / "client-js" / "node_modules"
STRICT = {
    **dict.fromkeys(
        (
            "strict",
            "noUnusedLocals",
            "noUnusedParameters",
            "exactOptionalPropertyTypes",
            "noUncheckedIndexedAccess",
            "noImplicitOverride",
            "verbatimModuleSyntax",
            "erasableSyntaxOnly",
            "isolatedDeclarations",
            "declaration",
            "skipLibCheck",
        ),
        True,
    ),
    "target": "es2022",
    "module": "nodenext",
}
T = TypeVar("T")

pytestmark = pytest.mark.client


@dataclass
class Leaf:
    """Ends */ a comment."""

    own_name: str
    kind: Literal["small", "large"] = "small"
    kinds: list[Literal["small", "large"] | None] = field(default_factory=list)
    children: list["Leaf"] = field(default_factory=list)


@dataclass
class Page(Generic[T]):
    items: list[T]
    by_name: dict[str, T]


@dataclass
class Promise:
    """A name that would hide one of TypeScript."""

    x: tuple[int, str]


Odd = TypedDict("Odd", {"not-a-name": int, "default": str})


class TreeClient(Protocol):
    async def grown(self, leaf: Leaf, new: int) -> None: ...

    async def choose(self, leaves: list[Leaf]) -> Leaf: ...


class TreeHub(Hub[TreeClient]):
    async def grow(self, leaf: Leaf, times: int = 2, name: str = "new") -> Page[Leaf]:
        await self.clients.caller.grown(leaf, times)
        return Page([leaf] * times, {name: leaf})

    async def chosen(self) -> str:
        return (await self.clients.caller.choose([Leaf("a"), Leaf("b")])).own_name

    async def longest(self, words: AsyncIterator[str], at_least: int = 0) -> int:
        return max([at_least, *[len(word) async for word in words]])

    async def leaves(self, default: int) -> AsyncIterator[Leaf]:
        for number in range(default):
            yield Leaf(str(number))

    @hub_method(name="tree.odd")
    async def odd(self, odd: Odd, promise: Promise) -> Promise:
        return promise

    async def connection(self) -> None: ...

    async def on(self, value):  # type: ignore[no-untyped-def]
        return value


class Quiet(Hub):
    async def rest(self) -> None: ...


PROGRAM = """
import { HubConnectionBuilder, LogLevel, Subject } from "@microsoft/signalr";
import { TreeHub, type Leaf } from "./generated.js";

const connection = new HubConnectionBuilder().withUrl("ADDRESS/tree").configureLogging(LogLevel.Error).build();
const tree = new TreeHub(connection);
const seen: unknown[] = [];
const stop = tree.on("Grown", (leaf, count) => { seen.push(leaf.ownName, leaf.kinds.length, count); });
tree.on("Choose", (leaves) => leaves[1]!);
await connection.start();

const page = await tree.grow({ ownName: "oak", kind: "large" });
seen.push(page.items.map((leaf: Leaf) => leaf.kind), page.byName["new"]?.ownName);
stop();
seen.push((await tree.grow({ ownName: "elm" }, 1, "other")).byName["other"]?.ownName);
seen.push(await tree.chosen());

const words = new Subject<string>();
const longest = tree.longest(words);
words.next("one"); words.next("three"); words.complete();
seen.push(await longest);

await new Promise<void>((resolve, reject) => {
  tree.leaves(2).subscribe({ next: (leaf) => seen.push(leaf.ownName), complete: resolve, error: reject });
});
seen.push((await tree.treeOdd({ "not-a-name": 1, default: "x" }, { x: [1, "y"] })).x, await tree.on_("z"));
await tree.connection_();
await connection.stop();
console.log(JSON.stringify(seen));
"""

SEEN = '["oak",0,2,["large","large"],"oak","elm","b",5,"0","1",[1,"y"],"z"]'

MISTAKES = [
    "void tree.grow({ ownName: 1 });",
    'void tree.grow({ kind: "large" });',
    'void tree.grow({ ownName: "x", kind: "huge" });',
    "void tree.grow();",
    'void tree.grow({ ownName: "x" }, "2");',
    "tree.on('Shrunk', () => undefined);",
    "tree.on('Grown', (leaf: string) => undefined);",
    "tree.on('Choose', () => undefined);",
    "void tree.nothing();",
    "const n: number = await tree.chosen();",
    "tree.leaves(1).subscribe({ next: (n: number) => undefined, complete: () => undefined, error: () => undefined });",
]


def generated(app: HubApp) -> str:
    return typescript(contract([(hub.path, hub) for hub in app.describe()], title=""))


class Kitchen(RoomsHub, RunsHub, rooms=Rooms(anyone), runs=Runs()):
    pass


APP = HubApp({"/tree": TreeHub, "/quiet": Quiet, "/": Quiet, "/kitchen": Kitchen})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "node_modules").symlink_to(NODE_MODULES, target_is_directory=True)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "generated.ts").write_text(generated(APP), "utf-8")
    return tmp_path


async def run(folder: Path, *command: str) -> tuple[int | None, str]:
    pipe, same = asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT
    async with child_process(*command, cwd=folder, stdout=pipe, stderr=same) as process:
        output, _ = await process.communicate()
    return process.returncode, output.decode()


async def compiled(folder: Path, *files: str, **options: bool) -> str:
    """Compile a program; gives what the compiler found."""
    config = {"compilerOptions": {**STRICT, **options}, "files": files}
    (folder / "tsconfig.json").write_text(json.dumps(config))
    _, output = await run(folder, str(NODE_MODULES / ".bin" / "tsc"), "--pretty", "false", "--project", ".")
    return output


async def test_a_program_calls_streams_uploads_and_answers(folder: Path) -> None:
    async with served(APP) as address:
        (folder / "program.ts").write_text(PROGRAM.replace("ADDRESS", address), "utf-8")
        mistakes = await compiled(folder, "program.ts")
        result = await run(folder, "node", "program.js")
    assert mistakes == ""
    assert result == (0, SEEN + "\n")


ROOM = """
import { HubConnectionBuilder, LogLevel } from "@microsoft/signalr";
import { Kitchen, type RoomMessage } from "./generated.js";

const connection = new HubConnectionBuilder().withUrl("ADDRESS/kitchen").configureLogging(LogLevel.Error).build();
const kitchen = new Kitchen(connection);
const heard = new Promise<RoomMessage>((resolve) => kitchen.on("RoomMessage", (_room, message) => resolve(message)));
await connection.start();
const joined = await kitchen.joinRoom("r", null, { device: "phone" });
await kitchen.sendToRoom("r", "tea?");
const said: unknown = (await heard).data;
console.log(joined.members[0]?.devices[0]?.name, said, (await kitchen.roomRuns("r")).map((run) => run.state).length);
await connection.stop();
"""


async def test_a_program_is_in_a_room(folder: Path) -> None:
    async with served(APP) as address:
        (folder / "room.ts").write_text(ROOM.replace("ADDRESS", address), "utf-8")
        mistakes = await compiled(folder, "room.ts")
        result = await run(folder, "node", "room.js")
    assert mistakes == ""
    assert result == (0, "phone tea? 0\n")


async def test_the_compiler_finds_each_mistake(folder: Path) -> None:
    opening = 'import { TreeHub } from "./generated.js";\nexport async function mistake(tree: TreeHub) {\n'
    for number, mistake in enumerate(MISTAKES):
        (folder / f"mistake{number}.ts").write_text(f"{opening}{mistake}\n}}\n", "utf-8")
    files = [f"mistake{number}.ts" for number in range(len(MISTAKES))]
    output = await compiled(folder, *files, noUnusedLocals=False, noUnusedParameters=False)
    assert {line.partition("(")[0] for line in output.splitlines() if ": error TS" in line} == set(files), output


async def test_the_program_of_the_guide_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {block.attributes.get("file"): block for block in blocks(ROOT / "docs" / "guides" / "contract.md")}
    namespace: dict[str, Any] = {"__name__": "guide_of_contracts"}
    exec(compile(found["app.py"].text, "app.py", "exec", dont_inherit=True), namespace)
    app: HubApp = namespace["app"]
    (folder / "notes.ts").write_text(generated(app), "utf-8")
    async with served(app) as address:
        (folder / "client.ts").write_text(found["client.ts"].text.replace(ADDRESS, address), "utf-8")
        mistakes = await compiled(folder, "client.ts")
        result = await run(folder, "node", "client.js")
    assert mistakes == ""
    assert result == (0, "1\nabout milk\n")
