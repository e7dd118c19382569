"""How Sphinx makes one site of the Markdown pages in the repository: `make docs`.

The source directory is the root of the repository, so that a link which works on GitHub works on the site too. What the
site needs besides is added here and not in the pages: the navigation, pictures for a light and a dark page, and links
to files that are not pages. Every warning fails the build.
"""

import re
import shutil
from enum import Enum
from pathlib import Path
from typing import Any

import typer
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import stringify_annotation
from starlette.types import ASGIApp

from hubline.cli.commands import commands

ROOT = Path(__file__).parents[1]
REPOSITORY = "https://github.com/hubline/hubline/tree/main/"
ASGI_APP = stringify_annotation(ASGIApp, "smart", short_literals=False)
COMMANDS = typer.main.get_group(commands)
logger = logging.getLogger(__name__)

project = "Hubline"
copyright = "the Hubline authors"
root_doc = "README"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
include_patterns = ["*.md", "docs/**.md", "examples/README.md", "apps/chat/README.md"]
exclude_patterns = [".*", "build", "src", "tests", "fuzz", "benchmarks", "apps/chat/web", "**/node_modules"]

myst_heading_anchors = 4

default_role = "py:obj"  # a name in backticks in a docstring is a link to what it names, where that is public
add_module_names = False
maximum_signature_line_length = 100
python_use_unqualified_type_names = True
autoclass_content = "both"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True, "undoc-members": True}

html_theme = "furo"
html_title = "Hubline"
html_copy_source = False
html_static_path = html_css_files = ["site.css"]

FACTORY = re.compile(r" ?= ?<factory>")
LINK = re.compile(r"\]\(([^)\s#]+)(#[^)\s]*)?\)")
PICTURE = re.compile(r"<picture>\s*<source [^>]*srcset=\"([^\"]+)\">\s*<img ([^>]*)src=\"([^\"]+)\">\s*</picture>")
LISTED = re.compile(r"^[-|] \[[^]]+\]\(([^)#]+)\.md\)", re.MULTILINE)
CAPTION = re.compile(r"^\*\*(.+)\*\*$", re.MULTILINE)
NESTED = ("docs/decisions/README", "docs/reference/README")
"""The pages whose own lists are a second level of the navigation."""
PROJECT = ["examples/README", "apps/chat/README", "CHANGELOG", "CONTRIBUTING", "SECURITY"]


def adapt(app: Sphinx, docname: str, content: list[str]) -> None:
    """Turn a page as GitHub shows it into one of the site."""
    folder = (ROOT / docname).parent
    text = PICTURE.sub(r'<img class="only-dark" \2src="\1"><img class="only-light" \2src="\3">', content[0])
    content[0] = LINK.sub(lambda link: _followed(app, folder, link), text) + _navigation(docname)


def _followed(app: Sphinx, folder: Path, link: re.Match[str]) -> str:
    """A link to a page, or away, as it is; one to another file or a directory leads into the repository."""
    target = (folder / link[1]).resolve()
    if not target.exists() or not target.is_relative_to(ROOT):
        return link[0]
    path = target.relative_to(ROOT).as_posix()
    return link[0] if path.removesuffix(".md") in app.env.found_docs else f"]({REPOSITORY}{path}{link[2] or ''})"


def _navigation(docname: str) -> str:
    """The part of the navigation that begins at a page: what its lists link to; at the front page, all of `docs`."""
    if docname == "README":
        _, *parts = CAPTION.split((ROOT / "docs" / "README.md").read_text("utf-8"))
        sections = zip(parts[::2], map(_listed, parts[1::2]), strict=True)
        return _toctree("", ["docs/README"]) + "".join(_toctree(*each) for each in (*sections, ("Project", PROJECT)))
    if docname in NESTED:
        return _toctree("", _listed((ROOT / f"{docname}.md").read_text("utf-8"), str(Path(docname).parent)))
    return ""


def _listed(text: str, folder: str = "docs") -> list[str]:
    return [f"{folder}/{page}" for page in LISTED.findall(text)]


def _toctree(caption: str, pages: list[str]) -> str:
    # The theme shows titles only; Sphinx would copy all headings and names of every page for every page, and drop them.
    depth = [] if set(pages) & set(NESTED) else [":maxdepth: 1"]
    options = [":hidden:", *depth, *([f":caption: {caption}"] if caption else [])]
    return "\n".join(["\n\n```{toctree}", *options, "", *(f"/{page}" for page in pages), "```\n"])


def check_descriptions(app: Sphinx, doctree: nodes.document) -> None:
    """A public object without a docstring is a warning, and so fails the build."""
    for described in doctree.findall(addnodes.desc):
        if all(isinstance(part, addnodes.desc | addnodes.index) for part in described[-1].children):
            logger.warning("%s has no docstring", " ".join(described[0]["ids"]), location=described)


def keep_colons(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Napoleon takes what stands before a colon for the type of an attribute; not behind an empty comment."""
    if what in ("attribute", "property") and any(lines):
        lines[:0] = ["..", ""]


def signature(
    app: Sphinx, what: str, name: str, thing: Any, options: Any, arguments: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Types by the names that people know, and no arguments for classes that nobody calls."""
    if isinstance(thing, type) and (getattr(thing, "_is_protocol", False) or issubclass(thing, Enum)):
        return "", ""
    return _shorter(arguments), _shorter(returns)


def _shorter(text: str | None) -> str | None:
    return text and FACTORY.sub(" = ...", text.replace(ASGI_APP, "ASGIApp"))


def finish(app: Sphinx, error: Exception | None) -> None:
    """What Sphinx does not copy: pictures that stand in HTML, and the front page by the name that servers look for."""
    if error is None and app.builder.format == "html":
        shutil.copytree(ROOT / "docs" / "images", app.outdir / "docs" / "images", dirs_exist_ok=True)
        shutil.copy(app.outdir / "README.html", app.outdir / "index.html")


class Command(SphinxDirective):
    """`.. command:: run`: what `hubline run --help` says."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        command = COMMANDS.commands[self.arguments[0]]
        lines = [command.help or "", ""]
        for parameter in command.params:
            argument = parameter.param_type_name == "argument"
            names = [parameter.metavar or parameter.name.upper()] if argument else parameter.opts
            lines += [" ".join(f"``{name}``" for name in [*names, *parameter.secondary_opts])]
            lines += [f"    {getattr(parameter, 'help', '')}{_values(parameter)}", ""]
        return self.parse_text_to_nodes("\n".join(lines))


def _values(parameter: Any) -> str:
    """What an option is where it is left out, and what else it may be where that is a choice."""
    default, text = parameter.default, ""
    if isinstance(default, Enum):
        text, default = f" One of {', '.join(f'``{each.value}``' for each in type(default))}.", default.value
    elif default is True:
        default = parameter.opts[0]
    if parameter.envvar:
        text += f" Also taken from the environment variable ``{parameter.envvar}``."
    return text + (f" Default: ``{default}``." if default else "")


def setup(app: Sphinx) -> None:
    app.add_directive("command", Command)
    app.connect("source-read", adapt)
    app.connect("doctree-read", check_descriptions)
    app.connect("autodoc-process-docstring", keep_colons, priority=400)  # before napoleon's 500
    app.connect("autodoc-process-signature", signature)
    app.connect("build-finished", finish)
