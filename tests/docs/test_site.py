"""The documentation as one site, as `make docs` builds it: complete, without a dead link, and without the network."""

import importlib
import os
import re
import shutil
import subprocess
import sys
import zlib
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.docs.pages import OPTIONS, ROOT, documents
from tests.test_public_api import PACKAGES, names_of

pytestmark = [pytest.mark.site, pytest.mark.timeout(600)]

LOADED = {"img", "link", "script", "source", "iframe"}
"""What a browser fetches without being asked."""


def build(root: Path, site: Path) -> "subprocess.CompletedProcess[str]":
    command = "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going", "-c", "docs", "-b", "html", "."
    paths = os.pathsep.join([str(root), str(ROOT / "src")])
    environment = {**os.environ, "PYTHONPATH": paths}
    return subprocess.run(
        [sys.executable, *command, str(site)], cwd=root, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = build(ROOT, folder)
    assert (built.returncode, built.stderr) == (0, "")
    return folder


class Html(HTMLParser):
    """The anchors of a page, and what it refers to: the tag and the address."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.references: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors.add(given.get("id", ""))
        self.references += [(tag, given[name]) for name in ("href", "src", "srcset") if name in given]


@cache
def parsed(page: Path) -> Html:
    return Html(page.read_text("utf-8"))


def is_elsewhere(address: str) -> bool:
    return bool(urlsplit(address).netloc)


def dead_links(site: Path) -> Iterator[str]:
    """Links within the site that lead to no file, or to no anchor in it."""
    for page in site.rglob("*.html"):
        for _, address in parsed(page).references:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            goal = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if not goal.is_file() or (
                goal.suffix == ".html" and unquote(parts.fragment) not in parsed(goal).anchors | {""}
            ):
                yield f"{page.relative_to(site)}: {address}"


def fetched_from_elsewhere(site: Path) -> Iterator[str]:
    for page in site.rglob("*.html"):
        for tag, address in parsed(page).references:
            if tag in LOADED and is_elsewhere(address):
                yield f"{page.relative_to(site)}: {address}"
    for sheet in site.rglob("*.css"):
        for address in re.findall(r"(?:url\(|@import\s+(?!url))\s*['\"]?([^'\")]+)", sheet.read_text("utf-8")):
            if is_elsewhere(address):
                yield f"{sheet.relative_to(site)}: {address}"


def described(site: Path) -> set[str]:
    """What the reference describes, from the site's inventory: four lines of text, then compressed ones."""
    lines = zlib.decompress((site / "objects.inv").read_bytes().split(b"\n", 4)[4]).decode().splitlines()
    words = [line.split(" ") for line in lines]
    return {
        name for name, kind, _, address, *_ in words if kind.startswith("py:") and address.startswith("docs/reference/")
    }


def test_every_page_of_documentation_is_on_the_site(site: Path) -> None:
    pages = [page.relative_to(ROOT).with_suffix(".html") for page in documents()]
    assert [page for page in pages if not (site / page).is_file()] == []
    assert (site / "index.html").read_text("utf-8") == (site / "README.html").read_text("utf-8")


def test_every_link_and_every_picture_is_there(site: Path) -> None:
    assert sum(len(parsed(page).references) for page in site.rglob("*.html")) > 1000
    assert list(dead_links(site)) == []


def test_the_site_needs_nothing_from_elsewhere(site: Path) -> None:
    assert list(fetched_from_elsewhere(site)) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_in_the_reference(site: Path, package: str) -> None:
    assert {f"{package}.{name}" for name in names_of(package)} - described(site) == set()


PARTLY = {
    "BackplaneSuite": "its tests",
    "BudgetSuite": "its tests",
    "RunRegistrySuite": "its tests",
    "QuestionsSuite": "its tests",
    "UsageStoreSuite": "its tests",
    "RunLogSuite": "its tests",
    "RoomStoreSuite": "its tests",
    "Server": "uvicorn's own hooks",
    "HubWebSocketProtocol": "asyncio's callbacks",
}
"""Classes of which the reference leaves out some members, and which."""


def test_every_public_member_is_in_the_reference_at_its_class_or_a_public_base(site: Path) -> None:
    public = {
        thing: f"{package}.{name}"
        for package in PACKAGES
        for name in names_of(package)
        if isinstance(thing := getattr(importlib.import_module(package), name), type) and name not in PARTLY
    }
    members = {
        f"{public.get(owner, name)}.{member}"
        for kind, name in public.items()
        for owner in kind.__mro__
        if owner.__module__.startswith("hubline")
        for member in vars(owner)
        if not member.startswith("_")
    }
    assert len(members) > 150
    assert members - described(site) == set()


def test_every_command_is_in_the_reference_with_its_options(site: Path) -> None:
    page = (site / "docs" / "reference" / "command-line.html").read_text("utf-8")
    for command, options in OPTIONS.items():
        section = page.split(f'id="hubline-{command}"')[1].split("</section>")[0]
        assert {option for option in options if option.startswith("--") and option not in section} == set(), command


def test_both_forms_of_a_picture_are_there_and_one_is_shown(site: Path) -> None:
    page = (site / "README.html").read_text("utf-8")
    assert "<picture>" not in page
    assert page.count('class="only-dark"') == page.count('class="only-light"') > 1


WRONG = {
    "a link to no page": ("[here](docs/missing.md)", "target not found: 'docs/missing.md'"),
    "a link to no anchor": ("[here](docs/README.md#missing)", "local id not found in doc 'docs/README': 'missing'"),
    "an object without a docstring": (
        "```{eval-rst}\n.. autofunction:: wrong.silent\n```",
        "wrong.silent has no docstring",
    ),
    "a property without one": ("```{eval-rst}\n.. autoclass:: wrong.Told\n```", "wrong.Told.silent has no docstring"),
    "an attribute without one": ("", "wrong.Told.mute has no docstring"),
    "an object that is not there": (
        "```{eval-rst}\n.. autofunction:: wrong.missing\n```",
        "failed to import 'missing'",
    ),
    "a page that nothing leads to": ("", "isn't included in any toctree"),
}


WRONG_MODULE = '''
def silent(): ...

class Told:
    """A class that says what it is."""

    mute = 1

    @property
    def silent(self): ...
'''


def test_what_is_wrong_fails_the_build(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    (docs / "images").mkdir(parents=True)
    for name in ("conf.py", "site.css"):
        shutil.copy(ROOT / "docs" / name, docs)
    for name in ("examples/README", "apps/chat/README", "CHANGELOG", "CONTRIBUTING", "SECURITY", "docs/forgotten"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{name}.md").write_text(f"# {name}\n", "utf-8")
    (docs / "README.md").write_text("# Documentation\n", "utf-8")
    (tmp_path / "README.md").write_text("# Wrong\n\n" + "\n\n".join(text for text, _ in WRONG.values()), "utf-8")
    (tmp_path / "wrong.py").write_text(WRONG_MODULE, "utf-8")
    built = build(tmp_path, tmp_path / "site")
    assert built.returncode != 0
    assert [what for what, (_, warning) in WRONG.items() if warning not in built.stderr] == []


def test_dead_links_and_addresses_elsewhere_are_found(tmp_path: Path) -> None:
    (tmp_path / "one.html").write_text(
        '<a href="two.html#there">1</a><a href="two.html#gone">2</a><a href="gone.html">3</a><a href="#gone">4</a>'
        '<img src="gone.png"><a href="https://example.org/">5</a><script src="https://example.org/x.js"></script>',
        "utf-8",
    )
    (tmp_path / "two.html").write_text('<h1 id="there">Two</h1><a href="mailto:a@example.org">6</a>', "utf-8")
    (tmp_path / "site.css").write_text("@import url(//example.org/font.css); a { background: url('x.png') }", "utf-8")
    assert list(dead_links(tmp_path)) == [
        f"one.html: {each}" for each in ("two.html#gone", "gone.html", "#gone", "gone.png")
    ]
    assert list(fetched_from_elsewhere(tmp_path)) == [
        "one.html: https://example.org/x.js",
        "site.css: //example.org/font.css",
    ]
