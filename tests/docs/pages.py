"""Reads the fenced blocks of a documentation page and runs them, top to bottom, as a reader would.

How a page is read:

- ` ```python file=app.py ` is written to that file and imported; a name that begins with `test_` is run by pytest.
- ` ```python ` without a file runs like a cell of a notebook: one namespace a page, `await` allowed. It can call the
  newest `app` of the page as JavaScript does, below.
- ` ```js ` (with or without `file=`) is a whole program. Node runs it while the newest `app` of the page is served; the
  address `http://localhost:8000` stands for that server's.
- ` ```text output ` must be what the block before it printed.
- ` ```sh `, ` ```csharp ` and ` ```java ` cannot all be run here: the commands, targets and names in them must exist.
  `hubline generate python` makes its file, for the blocks behind it.
  C# that makes a generated client calls methods that are generated for the newest `app`.
- ` ```ts ` and ` ```tsx ` import from `@hubline/client` what it exports; the package's own tests check all their types.
  Or from a file that `hubline generate` makes for the newest `app`; `interop/test_generated_clients.py` runs these.
- ` ```{eval-rst} ` is for the site: what its directives describe must exist, and `test_site.py` looks at the rest.
- A block with `of=examples/migrations/x.py` is a part of that file, word for word. With `file=` it is run as well;
  without, it is not run here: `tests/examples/` runs the file, which is a program of another library, or as long.
- Any other language must be one of `PLAIN`. There is no way to exempt a block of Python or JavaScript.
"""

import ast
import asyncio
import contextlib
import importlib
import io
import pydoc
import re
import socket
import sys
import textwrap
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import typer
import uvicorn

from hubline.cli.commands import commands
from hubline.contract.csharp import csharp
from hubline.contract.document import contract
from hubline.contract.python import python
from hubline.contract.typescript import typescript
from tests.processes import child_process

ROOT = Path(__file__).parents[2]
PLAIN = frozenset({"text", "json", "nginx", "ini"})
FENCE = re.compile(r"^```(\S+)?(.*)$")
IMPORTS = re.compile(r"^import \{ (.*) \} from \"@hubline/client(?:/(\w+))?\";$", re.MULTILINE)
GENERATED = re.compile(r"^import \{ (.*) \} from \"\./\w+\.js\";$", re.MULTILINE)
PYTHON_CLIENT = re.compile(r"^hubline generate python .*--output (\S+)$", re.MULTILINE)
ADDRESS = "http://localhost:8000"
PROGRAM_SECONDS = 100
OPTIONS = {
    name: frozenset(option for parameter in command.params for option in parameter.opts)
    for name, command in typer.main.get_group(commands).commands.items()
}


@dataclass(frozen=True)
class Block:
    """One fenced block. `attributes` are the words after the language: `file=app.py`, `output`."""

    page: Path
    line: int
    language: str
    attributes: dict[str, str]
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def documents() -> list[Path]:
    """Every page of documentation in the repository."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]
    return sorted(pages)


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found, start, info, lines = [], 0, ("", ""), list[str]()
    for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
        fence = FENCE.match(line)
        if fence and not start:
            start, info, lines = number, (fence[1] or "", fence[2] or ""), []
        elif fence:
            words = dict(word.partition("=")[::2] for word in info[1].split())
            found.append(Block(page, start, info[0], words, "\n".join(lines) + "\n"))
            start = 0
        elif start:
            lines.append(line)
    assert not start, f"{page.name}:{start}: this block never ends"
    return found


class Page:
    """One page being run. Use it as an async context manager: it ends what it started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notebook = ModuleType("notebook")
        self.modules: dict[str, ModuleType] = {}
        self.printed = ""
        self.files: set[str] = set()
        self._served: tuple[Any, str] | None = None
        self._exit = contextlib.AsyncExitStack()

    async def __aenter__(self) -> "Page":
        sys.path.insert(0, str(self.folder))
        sys.modules["notebook"] = self.notebook
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exit.aclose()
        sys.path.remove(str(self.folder))
        for name in ("notebook", *self.modules):
            sys.modules.pop(name, None)

    async def run(self, block: Block) -> None:
        """Run one block; an `AssertionError` says what is wrong with it."""
        file = block.attributes.get("file", "")
        if "of" in block.attributes:
            check_part(block, block.attributes["of"])
            if not file:
                return
        if file:
            self.files.add(file)
            (self.folder / file).write_text(block.text, "utf-8")
        if "output" in block.attributes:
            assert block.text.strip() == self.printed.strip(), f"{block}: this is what was printed:\n{self.printed}"
        elif block.language == "python" and file.startswith("test_"):
            await self._process(
                block, sys.executable, "-m", "pytest", "-q", "-o", "asyncio_mode=auto", "-p", "no:cacheprovider", file
            )
        elif block.language == "python":
            with contextlib.redirect_stdout(io.StringIO()) as output:
                await self._python(block, file)
            self.printed = output.getvalue()
        elif block.language == "js":
            await self._javascript(block, file or "block.mjs")
        else:
            check(block, self)
            for file in PYTHON_CLIENT.findall(block.text) if block.language == "sh" else ():
                self.modules[Path(file).stem] = ModuleType(file)  # forgotten with the page
                made = python(contract([(hub.path, hub) for hub in self.app.describe()], title=""))
                (self.folder / file).write_text(made, "utf-8")

    async def _python(self, block: Block, file: str) -> None:
        if file:
            name = Path(file).stem
            sys.modules.pop(name, None)
            importlib.invalidate_caches()
            self.modules[name] = importlib.import_module(name)
            return
        path = f"{block.page}"
        text = block.text
        if ADDRESS in text:
            text = text.replace(ADDRESS, await self._address(block))
        tree = ast.parse("\n" * block.line + text, path)
        code: CodeType = compile(tree, path, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        result = eval(code, self.notebook.__dict__)
        if asyncio.iscoroutine(result):
            async with asyncio.timeout(PROGRAM_SECONDS):
                await result

    async def _javascript(self, block: Block, file: str) -> None:
        modules = self.folder / "node_modules"
        if not modules.exists():
            modules.symlink_to(ROOT / "tests" / "interop" / "js" / "node_modules", target_is_directory=True)
        text = block.text.replace(ADDRESS, await self._address(block))
        (self.folder / file).write_text(text, "utf-8")
        errors = await self._process(block, "node", file)
        assert not errors, f"{block}: this is what was complained of:\n{errors}"

    async def _process(self, block: Block, *command: str) -> str:
        """Runs a program to its end, which must be a good one. Gives what it wrote to its standard error."""
        pipe = asyncio.subprocess.PIPE
        async with child_process(*command, cwd=self.folder, stdout=pipe, stderr=pipe) as process:
            async with asyncio.timeout(PROGRAM_SECONDS):
                output, errors = await process.communicate()
        self.printed = output.decode()
        assert process.returncode == 0, f"{block}: {self.printed}{errors.decode()}"
        return errors.decode()

    @property
    def app(self) -> Any:
        """The newest `app` of the page."""
        candidates = [*reversed(self.modules.values()), self.notebook]
        return next((module.app for module in candidates if hasattr(module, "app")), None)

    async def _address(self, block: Block) -> str:
        app = self.app
        assert app is not None, f"{block}: no `app` on this page that could be served"
        if self._served is None or self._served[0] is not app:
            await self._exit.aclose()
            self._served = (app, await self._exit.enter_async_context(served(app)))
        return self._served[1]


class _Server(uvicorn.Server):
    """uvicorn, telling when it has started (or has given up starting)."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@contextlib.asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """Serve an ASGI application on a free port, with its lifespan; gives its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = _Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5))
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(server.serve(sockets=[listener]))
        task.add_done_callback(lambda _: server.ready.set())
        await server.ready.wait()
        assert not task.done(), "the application did not start"
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True


def check_part(block: Block, name: str) -> None:
    """That a block is in a program which the tests run: its lines, but for empty ones and the margin of a method.

    Both are ruff's, which formats a method that a page shows by itself like a function.
    """
    assert name.startswith("examples/migrations/"), f"{block}: of= is for the programs of the migration guides"
    source, part = (
        "\n".join(line for line in text.splitlines() if line.strip())
        for text in ((ROOT / name).read_text("utf-8"), block.text)
    )
    assert part, f"{block}: nothing of {name}"
    shown = (textwrap.indent(part, margin) for margin in ("", "    "))
    assert any(f"\n{each}\n" in f"\n{source}\n" for each in shown), f"{block}: this is not in {name}"


def check(block: Block, page: Page) -> None:
    """What is left to check of a block that is not run."""
    if block.language == "sh":
        unknown = [line for line in block.text.splitlines() if line.strip() and not known_command(line.strip(), page)]
        assert unknown == [], f"{block}: nothing here knows these commands: {unknown}"
    elif block.language == "csharp" and (typed := re.search(r"var (\w+) = new (\w+)\(connection\)", block.text)):
        made = csharp(contract([(hub.path, hub) for hub in page.app.describe()], title=""))
        used = [typed[2], *re.findall(rf"\b{typed[1]}\.(\w+)\(", block.text)]
        assert [name for name in used if f" {name}(" not in made] == [], f"{block}: names the generated client lacks"
    elif block.language in ("csharp", "java"):
        source = "\n".join(path.read_text("utf-8") for path in page.folder.glob("*.py"))
        names = {name.replace("_", "").lower() for name in re.findall(r"(?:def|name=|send\() ?\"?(\w+)", source)}
        called = re.findall(r"(?:Async|\b(?:On|on|invoke|send|stream))(?:<[^>]*>)?\((?:[\w.]+, )?\"(\w+)\"", block.text)
        assert called, f"{block}: no call of the hub in it"
        assert [name for name in called if name.lower() not in names] == [], f"{block}: names the page's hub lacks"
    elif block.language in ("ts", "tsx"):
        imports = IMPORTS.findall(block.text)
        generated = GENERATED.search(block.text)
        assert imports or generated, f"{block}: nothing of @hubline/client, or of a generated client, in it"
        if generated:
            made = typescript(contract([(hub.path, hub) for hub in page.app.describe()], title=""))
            missing = [name for name in generated[1].split(", ") if f" {name} {{" not in made]
            assert missing == [], f"{block}: in a generated client there is no {missing}"
        for names, entry in imports:
            source = (ROOT / "packages" / "client-js" / "src" / f"{entry or 'index'}.ts").read_text("utf-8")
            missing = [name for name in names.split(", ") if not re.search(rf"(?m)^export .*\b{name}\b", source)]
            assert missing == [], f"{block}: @hubline/client has no {missing}"
    elif block.language == "{eval-rst}":
        described = re.findall(r"^\.\. (auto\w+|command):: (\S+)$", block.text, flags=re.MULTILINE)
        assert described, f"{block}: no directive in it"
        for directive, name in described:
            assert name in OPTIONS if directive == "command" else pydoc.locate(name), f"{block}: there is no {name}"
    else:
        assert block.language in PLAIN, f"{block}: a language nobody checks: {block.language!r}"


def known_command(line: str, page: Page) -> bool:
    """Whether a command line names programs, targets and files that exist."""
    return all(known_program(command.split(), page) for command in line.split("#")[0].split("&&"))


def known_program(words: list[str], page: Page) -> bool:
    while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
        words = words[1:]
    targets = [word for word in words[1:] if ":" in word and "://" not in word and "." not in word]
    folder = ROOT / words[words.index("--app-dir") + 1] if "--app-dir" in words else page.folder
    match words:
        case ["make", target, *_]:
            return f"\n{target}:" in (ROOT / "Makefile").read_text("utf-8")
        case ["python3", "-m", "venv", ".venv"] | ["source", ".venv/bin/activate"]:
            return True
        case ["git", "clone", _] | ["cd", _] | ["pip" | "npm", "install", *_] | ["python", "-m", "pytest", *_]:
            return True
        case ["hubline", "run" | "check" | "contract", *_] | ["uvicorn" | "hypercorn", *_]:
            return len(targets) == 1 and (folder / f"{targets[0].split(':')[0]}.py").exists()
        case ["hubline", "generate", "typescript" | "csharp" | "python", *_]:
            return len(targets) == 1 and (folder / f"{targets[0].split(':')[0]}.py").exists()
        case ["hubline", "token" | "bench" | "inspect" as command, *options]:
            return all(word in OPTIONS[command] for word in options if word.startswith("--"))
        case ["python" | "node", file]:
            return file in page.files or (ROOT / file).exists()
    return not words
