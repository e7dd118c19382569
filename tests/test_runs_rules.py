"""The table of `docs/specs/runs.md`: each rule of runs, with tests that are there and say its name.

python -m tests.test_runs_rules         writes the table anew from the markers
"""

import ast
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "specs" / "runs.md"
ROW = re.compile(r"^\| ([RH]\d+) \| (.*?) \|(.*)\|$", re.MULTILINE)
NAMED = re.compile(r"`([\w/.-]+)::([^`]+)`")
IN_JAVASCRIPT = re.compile(r'^// rule ([RH\d, ]+)\n(?:each|test)\("([^"]+)"', re.MULTILINE)
RULES = [*(f"R{number}" for number in range(1, 35)), "H1", "H2", "H3"]
PYTHON = ("tests/runs", "tests/chaos", "tests/cli", "tests/integration", "tests/examples", "tests/interop")
JAVASCRIPT = ("tests/interop/js", "tests/interop/http")


def marked() -> dict[str, list[str]]:
    """Every test that says which rules it asserts, as the table names it."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(path for folder in PYTHON for path in (ROOT / folder).rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for decorator in node.decorator_list:
                    if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.rule":
                        for rule in map(ast.literal_eval, decorator.args):
                            found[rule].append(f"`{path.relative_to(ROOT)}::{node.name}`")
    for path in sorted(path for folder in JAVASCRIPT for path in (ROOT / folder).glob("*.test.mjs")):
        for rules, name in IN_JAVASCRIPT.findall(path.read_text("utf-8")):
            for rule in re.split(r", *", rules.strip()):
                found[rule].append(f"`{path.relative_to(ROOT)}::{name}`")
    return found


def table(page: str) -> str:
    """The page with the last column of its table written anew."""
    tests = marked()
    return ROW.sub(lambda row: f"| {row[1]} | {row[2]} | {', '.join(tests[row[1]]) or '**no test yet**'} |", page)


def test_every_rule_has_a_row_and_a_test() -> None:
    assert [rule for rule, _, _ in ROW.findall(PAGE.read_text("utf-8"))] == RULES
    assert sorted(marked(), key=RULES.index) == RULES


def test_the_table_names_the_tests_that_are_there() -> None:
    page = PAGE.read_text("utf-8")
    assert table(page) == page
    assert len(NAMED.findall(page)) >= len(RULES)


if __name__ == "__main__":
    PAGE.write_text(table(PAGE.read_text("utf-8")), "utf-8")
