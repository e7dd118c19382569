"""The table of `docs/specs/conformance.md`: all 210 statements, each with tests that are there and say its number.

python -m tests.test_conformance        writes the table anew from the markers
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "specs" / "conformance.md"
ROW = re.compile(r"^\| (\d+) \| (.*?) \| (.*) \|$", re.M)
NAMED = re.compile(r"`([\w/.-]+)::([^`]+)`")
IN_JAVASCRIPT = re.compile(r'^// statement ([\d, ]+)\n(?:each|test)\("([^"]+)"', re.M)
SHOWN = 3
"""Tests that a row names at most; those that assert few statements come first."""

Test = tuple[str, str]
"""The path of a test file, and the name of a test in it."""

LATER = {199: "Our own client has WebSockets only."}
"""Why nothing here asserts a statement yet."""

PARTLY = {
    **dict.fromkeys((198, 210), "our own client has WebSockets only"),
}
"""What the tests of a statement leave open."""


@cache
def marked() -> dict[int, set[Test]]:
    """Every test that says which statements it asserts."""
    found: dict[int, set[Test]] = defaultdict(set)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for name, numbers in marks(ast.parse(path.read_text("utf-8"))):
            for number in numbers:
                found[number].add((str(path.relative_to(ROOT)), name))
    for path in sorted((ROOT / "tests" / "interop" / "js").glob("*.test.mjs")):
        for listed, name in IN_JAVASCRIPT.findall(path.read_text("utf-8")):
            for number in map(int, listed.split(",")):
                found[number].add((str(path.relative_to(ROOT)), name))
    return found


def marks(module: ast.Module) -> Iterator[tuple[str, list[int]]]:
    """Functions and classes with `@pytest.mark.statement(…)`, and the numbers in it."""
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.statement":
                    yield node.name, [int(ast.literal_eval(argument)) for argument in decorator.args]


def cell(number: int, tests: dict[int, set[Test]]) -> str:
    """What the table says of a statement."""
    if not tests[number]:
        return LATER.get(number, "**no test yet**")
    breadth = {test: sum(test in each for each in tests.values()) for test in tests[number]}
    chosen = sorted(tests[number], key=lambda test: (breadth[test], test))[:SHOWN]
    text = ", ".join(f"`{path}::{name}`" for path, name in chosen)
    return f"{text} ({PARTLY[number]})" if number in PARTLY else text


def table(page: str) -> str:
    """The page with the last column of its table written anew."""
    tests = marked()
    return ROW.sub(lambda row: f"| {row[1]} | {row[2]} | {cell(int(row[1]), tests)} |", page)


def rows() -> dict[int, str]:
    found = ROW.findall(PAGE.read_text("utf-8"))
    assert len(found) == len({number for number, _, _ in found})
    return {int(number): text for number, _, text in found}


def test_every_statement_has_a_row() -> None:
    assert sorted(rows()) == list(range(1, 211))


def test_every_row_names_a_test_or_says_why_there_is_none() -> None:
    without = {number: text for number, text in rows().items() if not NAMED.search(text)}
    assert {number: text for number, text in without.items() if text != LATER.get(number)} == {}


def test_every_test_that_is_named_is_there_and_says_the_number() -> None:
    tests = marked()
    named = {(number, *test) for number, text in rows().items() for test in NAMED.findall(text)}
    assert {(number, path, name) for number, path, name in named if (path, name) not in tests[number]} == set()


def test_every_statement_that_a_test_asserts_is_shown_as_asserted() -> None:
    tests, written = marked(), rows()
    assert [number for number in sorted(tests) if tests[number] and not NAMED.search(written.get(number, ""))] == []


if __name__ == "__main__":
    PAGE.write_text(table(PAGE.read_text("utf-8")), "utf-8")
