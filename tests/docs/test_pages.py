"""Every example in the documentation runs, and every command, link, file and option in it exists."""

import ast
import dataclasses
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import hubline
from tests.docs.pages import OPTIONS, PLAIN, ROOT, Block, Page, blocks, documents
from tests.test_public_api import PACKAGES, names_of

WITH_BLOCKS = [page for page in documents() if blocks(page)]
LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"]+)\"")


def pages() -> list[Any]:
    """The pages that have examples; those with JavaScript need the official client."""
    return [
        pytest.param(
            page,
            id=str(page.relative_to(ROOT)),
            marks=[pytest.mark.interop] if any(block.language == "js" for block in blocks(page)) else [],
        )
        for page in WITH_BLOCKS
    ]


@pytest.mark.parametrize("path", pages())
async def test_the_examples_of_the_page_run(path: Path, tmp_path: Path) -> None:
    run = []
    async with Page(tmp_path) as page:
        for block in blocks(path):
            await page.run(block)
            run.append(block)
    assert run == blocks(path)


def test_there_are_examples_to_run() -> None:
    languages = [block.language for page in WITH_BLOCKS for block in blocks(page)]
    assert languages.count("python") > 20
    assert languages.count("js") > 3


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("async def say(sid, room, text): ...\n", "examples/migrations/socketio_before.py"),
        ("\n", "examples/migrations/socketio_before.py"),
        ("import asyncio\n", "examples/chat.py"),
    ],
)
async def test_a_part_of_a_program_must_be_in_it(text: str, name: str, tmp_path: Path) -> None:
    block = Block(ROOT / "README.md", 1, "python", {"of": name}, text)
    async with Page(tmp_path) as page:
        with pytest.raises(AssertionError, match=r"README\.md:1"):
            await page.run(block)


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text("utf-8"), flags=re.DOTALL)
    targets = [first or second for first, second in LINK.findall(text)]
    local = [target for target in targets if "://" not in target and not target.startswith("mailto:")]
    assert [target for target in local if not leads_somewhere(path, target)] == []


def leads_somewhere(path: Path, target: str) -> bool:
    file, _, anchor = target.partition("#")
    goal = path.parent / file if file else path
    if not goal.exists():
        return False
    return not anchor or goal.suffix != ".md" or anchor in anchors(goal)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


FILE = re.compile(r"[\w.-]+(?:/[\w.-]+)*\.(?:conf|json|md|py|toml)|[\w.-]+(?:/[\w.-]+)*/")
MADE = ("build/", "fuzz/found/", "benchmarks/results/quick.json")
"""Not in the repository: programs write it there."""


def quoted(path: Path) -> list[str]:
    """What a page has between single backticks, outside of its blocks."""
    text = re.sub(r"```.*?```", "", path.read_text("utf-8"), flags=re.DOTALL)
    return re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text)


def missing_files(names: list[str], own: set[str]) -> Iterator[str]:
    """Those that look like files of the repository or of the library and are not there; `own` the page itself makes."""
    folders = (ROOT, ROOT / "src", ROOT / "src" / "hubline", ROOT / "tests")
    for name in names:
        file = name.partition("::")[0]
        is_file = (
            FILE.fullmatch(file) and file not in own and not file.startswith(MADE) and not re.search("[A-Z]{4}", file)
        )
        if not is_file or any((folder / file).exists() for folder in folders):
            continue
        if "/" in file or not list((ROOT / "src" / "hubline").glob(f"**/{file}")):
            yield name


def unknown_options(code: str) -> Iterator[str]:
    """Keywords of public classes and functions, and options of hubs, transports and commands, that do not exist."""
    public = {name: getattr(importlib.import_module(each), name) for each in PACKAGES for name in names_of(each)}
    if command := re.match(r"hubline (\w+) ", code):
        yield from (word for word in re.findall(r"--[a-z-]+", code) if word not in OPTIONS[command[1]])
    try:
        nodes = list(ast.walk(ast.parse(code.replace("…", "..."))))
    except SyntaxError:
        return
    for node in nodes:
        if isinstance(node, ast.Call) and node.keywords and isinstance(node.func, ast.Name) and node.func.id in public:
            known = inspect.signature(public[node.func.id]).parameters
            yield from (f"{node.func.id}({word.arg}=)" for word in node.keywords if word.arg not in known)
        if isinstance(node, ast.Attribute) and (owner := ast.unparse(node.value)).endswith("Options"):
            yield from () if owner in public and hasattr(public[owner], node.attr) else (f"{owner}.{node.attr}",)


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_options_that_a_page_names_exist(path: Path) -> None:
    own = {block.attributes["file"] for block in blocks(path) if "file" in block.attributes}
    assert list(missing_files(quoted(path), own)) == []
    assert [wrong for code in quoted(path) for wrong in unknown_options(code)] == []


def test_files_and_options_that_do_not_exist_are_found() -> None:
    names = ["wire/json.py", "tests/wire/", "session.py", "mine.py", "wire/gone.py", "gone.py", "tests/gone/"]
    assert list(missing_files(names, {"mine.py"})) == names[4:]
    codes = ["HubApp(…, gone=1)", "HubOptions.gone", "hubline run --gone", "HubApp(options=HubOptions(gone=…))"]
    assert [list(unknown_options(code)) for code in codes] == [
        ["HubApp(gone=)"],
        ["HubOptions.gone"],
        ["--gone"],
        ["HubOptions(gone=)"],
    ]
    assert list(unknown_options("HubApp(clock=…).context(Hub), Identity.user_id, hubline run --port 8000")) == []


def block(language: str, text: str, **attributes: str) -> Block:
    return Block(Path("page.md"), 1, language, attributes, text)


@pytest.mark.parametrize(
    "wrong",
    [
        block("python", "1 / 0"),
        block("python", "undefined_name"),
        block("python", "await missing()"),
        block("python", "import no_such_module", file="app.py"),
        block("python", "def test_it():\n    assert False\n", file="test_it.py"),
        block("text", "something else", output=""),
        block("ruby", "puts 1"),
        block("", "no language"),
        block("sh", "make no-such-target"),
        block("sh", "rm -rf build"),
        block("sh", "uvicorn missing:app"),
        block("csharp", 'await connection.InvokeAsync("NoSuchMethod");'),
        block("js", "console.log(1)"),
        block("ts", "const nothing = 1;"),
        block("ts", 'import { noSuchName } from "@hubline/client";'),
        block("{eval-rst}", ".. autoclass:: hubline.NoSuchClass"),
        block("{eval-rst}", ".. command:: no-such-command"),
        block("{eval-rst}", "No directive."),
    ],
    ids=lambda wrong: f"{wrong.language}-{wrong.text.split()[0]}",
)
async def test_a_wrong_example_is_found(wrong: Block, tmp_path: Path) -> None:
    async with Page(tmp_path) as page:
        with pytest.raises((AssertionError, ImportError, NameError, ZeroDivisionError)):
            await page.run(wrong)


@pytest.mark.interop
async def test_a_javascript_example_that_complains_is_found_though_it_ends_well(tmp_path: Path) -> None:
    async with Page(tmp_path) as page:
        await page.run(block("python", "from hubline import Hub, HubApp\napp = HubApp({'/hub': Hub})"))
        await page.run(block("js", "console.log(1)"))
        with pytest.raises(AssertionError, match="not expected"):
            await page.run(block("js", 'console.error("not expected")'))


async def test_cells_share_a_namespace_and_output_is_compared(tmp_path: Path) -> None:
    async with Page(tmp_path) as page:
        await page.run(block("python", "async def double(x): return 2 * x"))
        await page.run(block("python", "print(await double(21))"))
        await page.run(block("text", "42", output=""))
    assert page.printed == "42\n"


def test_no_language_that_could_be_run_counts_as_plain() -> None:
    assert PLAIN.isdisjoint({"python", "py", "js", "javascript", "mjs", "ts", "typescript", "tsx", "sh", "bash"})


@pytest.mark.parametrize("name", ["HubOptions", "TransportOptions"])
def test_the_table_of_options_is_complete_and_right(name: str) -> None:
    page = (ROOT / "docs" / "reference" / "options.md").read_text("utf-8")
    section = page.split(f"## {name}")[1].split("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| `([^`]*)`", section, flags=re.MULTILINE))
    defaults = getattr(hubline, name)()
    actual = {field.name: getattr(defaults, field.name) for field in dataclasses.fields(defaults)}
    assert {key: eval(value, vars(hubline)) for key, value in rows.items()} == actual


def test_the_table_of_limits_is_complete_and_right_and_its_tests_exist() -> None:
    page = (ROOT / "docs" / "guides" / "limits.md").read_text("utf-8").split("## How often")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if "::test_" in line]
    named = set()
    for what, default, _, option, test in rows:
        file, _, name = test.strip("`").partition("::")
        assert f"def {name}(" in (ROOT / file).read_text("utf-8"), test
        if option != "fixed":
            kind, _, field = option.strip("`").partition(".")
            named.add(option.strip("`"))
            actual = getattr(getattr(hubline, kind)(), field)
            assert "`" not in default or eval(default.split("`")[1]) == actual, what
    every = {
        f"{kind}.{field.name}"
        for kind in ("HubOptions", "TransportOptions")
        for field in dataclasses.fields(getattr(hubline, kind))
        if type(field.default) in (int, float) and field.name != "minimum_protocol_version"
    }
    caps = {"connections_per_user", "connections_per_address", "waiting_per_address"}
    assert named == every | {f"TransportOptions.{name}" for name in (*caps, "outbox_policy")}


def test_the_tour_names_every_part_of_the_library_and_nothing_else() -> None:
    tour = (ROOT / "docs" / "directory-tour.md").read_text("utf-8").split("## The library")[1].split("## Who")[0]
    rows = "\n".join(line.split("|")[1] for line in tour.splitlines() if line.startswith("| `"))
    named = set(re.findall(r"`([\w.]+)/?`", rows))
    library = ROOT / "src" / "hubline"
    packages = {path.name for path in library.iterdir() if (path / "__init__.py").exists()}
    modules = {path.name for path in library.glob("*.py") if path.name != "__init__.py"}
    assert named == packages | modules


def test_the_tour_names_every_directory_of_the_repository_and_of_the_tests() -> None:
    tour = (ROOT / "docs" / "directory-tour.md").read_text("utf-8")
    top = set(re.findall(r"^([\w.]+)/", tour.split("```text")[1].split("```")[0], flags=re.MULTILINE))
    rows = tour.split("## The tests")[1].split("\n## ")[0]
    tests = set(re.findall(r"`(\w+)/`", "\n".join(line.split("|")[1] for line in rows.splitlines() if "|" in line)))
    ignored = (ROOT / ".gitignore").read_text("utf-8").split()
    assert top == {".ci"} | directories(ROOT, ignored)
    assert tests == directories(ROOT / "tests", ignored)


def directories(folder: Path, ignored: list[str]) -> set[str]:
    names = {path.name for path in folder.iterdir() if path.is_dir()}
    return {name for name in names if not name.startswith(".") and f"{name}/" not in ignored}


def test_the_life_of_a_message_passes_through_modules_that_exist() -> None:
    text = (ROOT / "docs" / "life-of-a-message.md").read_text("utf-8")
    named = set(re.findall(r"`([\w/]+\.py)`", text))
    assert len(named) > 10
    assert {name for name in named if not (ROOT / "src" / "hubline" / name).exists()} == set()


def test_the_arguments_of_hub_app_are_documented() -> None:
    page = (ROOT / "docs" / "reference" / "options.md").read_text("utf-8").split("## HubApp")[1]
    named = re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in page.splitlines() if line.startswith("| `")))
    assert named == list(inspect.signature(hubline.HubApp).parameters)


def test_every_threat_of_the_security_guide_has_a_test_that_exists() -> None:
    page = (ROOT / "docs" / "guides" / "security.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith("| threat")]
    assert len(rows) > 30
    for row in rows:
        file, _, name = row.split("|")[-2].strip().strip("`").partition("::")
        assert f"def {name}(" in (ROOT / file).read_text("utf-8"), row
