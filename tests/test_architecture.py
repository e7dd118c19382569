"""The arrows, sizes and habits the sources keep (`docs/directory-tour.md`), and proof that each check can fail."""

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.test_public_api import SERVERS

ROOT = Path(__file__).parent.parent
LIBRARY = ROOT / "src" / "hubline"

ARROWS: dict[str, str] = {
    # layer: the layers it may import. `public` is the package itself, `from hubline import …`.
    "errors": "",
    "_clock": "",
    "_loops": "",
    "_bursts": "_loops",
    "_tasks": "",
    "_mistakes": "errors",
    "_signals": "",
    "_thinking": "",
    "_utf8": "",
    "_worker": "",
    "extensions": "",
    "_extras": "",
    "_waiting": "",
    "websocket_frames": "_utf8",
    "telemetry": "connection server statistics wire _clock _worker",
    "wire": "errors",
    "connection": "errors wire",
    "transports": "errors wire connection extensions websocket_frames _bursts _loops _clock _mistakes _tasks _utf8",
    "nodes": (
        "errors connection extensions transports.base transports.elsewhere transports.endpoint transports.responses "
        "_clock _mistakes _tasks"
    ),
    "auth": "errors connection _clock _mistakes _tasks",
    "streams": "errors wire _clock _tasks",
    "server": (
        "errors wire connection streams auth backplanes.base backplanes.envelope backplanes.subscriptions _bursts "
        "_clock _mistakes _tasks"
    ),
    "sql": "errors backplanes.lines backplanes.postgres_connections _clock _mistakes",
    "backplanes": "errors wire streams _bursts _clock _loops _mistakes _tasks",
    "client": "errors wire websocket_frames server.decorators _clock _extras _loops _mistakes _tasks _waiting",
    "runs": (
        "errors extensions streams auth public backplanes connection sql wire.event_stream transports.admission "
        "transports.cancel_scope transports.disconnect transports.responses _clock _mistakes _tasks _thinking _worker"
    ),
    "rest": "errors connection server wire backplanes.envelope auth.jwt routes public sql _clock _mistakes _tasks",
    "inspect": (
        "errors public contract.document routes runs transports.admission transports.entries wire.names _mistakes "
        "_worker"
    ),
    "rooms": (
        "errors public runs backplanes sql server.clients server.invocations server.recipients wire.messages "
        "wire.packet _clock _mistakes _tasks _worker"
    ),
    "models": "errors _clock _mistakes _tasks _thinking",
    "limits": "public errors backplanes sql _clock _mistakes _tasks _worker",
    "servers": "errors extensions websocket_frames _clock _mistakes _signals _tasks _utf8",
    "routes": "errors connection server transports _mistakes",
    "draining": "errors server.workers _clock _tasks",
    "publishing": "errors wire server backplanes hubs _waiting",
    "hubs": "errors wire auth server backplanes routes _clock _tasks",
    "app_settings": "errors auth server transports backplanes.local nodes.settings routes _clock _mistakes _worker",
    "endpoints": "errors connection server transports nodes hubs routes app_settings telemetry",
    "statistics": "backplanes.subscriptions transports.registry_statistics",
    "fellow_workers": "errors backplanes.base backplanes.local statistics _clock _tasks _worker",
    "app": (
        "errors wire connection extensions streams auth server transports nodes backplanes routes draining hubs "
        "fellow_workers app_settings endpoints _clock _signals _tasks _worker telemetry"
    ),
    "testing": "public errors limits runs rooms backplanes wire client _clock _tasks",
    "contract": "errors wire",
    "workers": "errors backplanes.local_hub servers _worker",
    "__main__": "cli",
    "cli": "public errors servers workers auth.jwt wire client contract inspect _extras _tasks",
    "public": (
        "errors wire connection streams auth server transports nodes backplanes client runs rooms routes app publishing"
    ),
}

THIRD_PARTY: dict[str, str] = {
    # library: the modules (with everything below them) that may import it
    "msgspec": (
        "wire streams server client cli.client cli.dialect testing backplanes.envelope transports.endpoint "
        "transports.refresh runs.values backplanes.local_frames nodes.frames rest.answers rest.messages contract"
    ),
    "starlette": "connection transports nodes auth app routes rest inspect runs.http runs.service",
    "jwt": "auth.jwt auth.jwks",
    "redis": (
        "backplanes.redis backplanes.redis_asking backplanes.redis_buffered backplanes.redis_connections "
        "limits.redis_usage rooms.redis_store runs.redis_budget runs.redis_log"
    ),
    "psycopg": (
        "backplanes.postgres backplanes.postgres_cleaning backplanes.postgres_connections "
        "backplanes.postgres_reading backplanes.postgres_tables backplanes.postgres_transactions "
        "backplanes.postgres_writing runs.postgres_database sql.postgres sql.postgres_programs"
    ),
    "openai": "models.openai",
    "xllamacpp": "models.llama_process",
    "pyrate_limiter": "limits.rates",
    "opentelemetry": "telemetry",
    "aiohttp": "client.web client.connection client.settings",  # the last two for type checkers only
    "websockets": "servers",
    "typer": "cli",
    "rich": "cli",
    "prompt_toolkit": "cli.lines",
    "uvicorn": "cli servers workers",
    "uvloop": "cli.bench",
    "picows": "servers cli.load cli.bench",
    "pydantic": "",  # its models are recognised where the application has imported it
    "typing_extensions": "wire connection streams auth server transports app rooms.hub runs.hub",
}

BUDGETS: dict[str, int] = {
    # lines, docstrings included: docs/decisions/budgets.md
    "wire": 3050,
    "transports": 3950,
    "nodes": 1750,
    "server": 4950,
    "auth": 650,
    "streams": 340,
    "backplanes": 4830,
    "client": 4950,
    "models": 890,
    "runs": 11800,
    "rooms": 3250,
    "limits": 760,
    "rest": 970,
    "inspect": 460,
    "servers": 1880,
    "testing": 2250,
    "cli": 2390,
    "contract": 2010,
    "sql": 690,
    "workers": 720,
}

WITHOUT_IO = "wire client.session client.events client.frames client.readers"
FORBIDDEN_WITHOUT_IO = {"asyncio", "time", "socket", "logging", "threading", "random", "os"}
MODULE_LINES, FUNCTION_LINES, COMPONENT_LINES = 350, 60, 350

OWN_TASKS: dict[str, str] = {
    # file: why it makes a task itself
    "src/hubline/_tasks.py": "the owner of every task of the library",
    "src/hubline/servers/accelerated.py": "uvicorn's set of tasks owns what its protocols run, and ends it",
    "apps/chat/src/hubline_chat/store/database.py": "a transaction outlives whoever asked for it; `close` waits for it",
    "apps/chat/src/hubline_chat/assistant.py": "reads an answer that is sent on meanwhile; the same function ends it",
}

PUBLIC_PACKAGES: dict[str, Sequence[str]] = {
    "hubline": (),
    "hubline.testing": (),
    "hubline.models": (),
    "hubline.limits": (),
    "hubline.limits.postgres_usage": (),
    "hubline.limits.redis_usage": (),
    "hubline.limits.sqlite_usage": (),
    "hubline.backplanes": (),
    "hubline.client": (),
    "hubline.client.sync": (),
    "hubline.backplanes.postgres": (),
    "hubline.backplanes.redis": (),
    "hubline.runs": (),
    "hubline.runs.postgres_budget": (),
    "hubline.runs.redis_budget": (),
    "hubline.runs.sqlite_budget": (),
    "hubline.runs.postgres_log": (),
    "hubline.runs.redis_log": (),
    "hubline.runs.sqlite_log": (),
    "hubline.rooms": (),
    "hubline.rooms.postgres_store": (),
    "hubline.rooms.redis_store": (),
    "hubline.rooms.sqlite_store": (),
    "hubline.rest": (),
    "hubline.rest.postgres_memberships": (),
    "hubline.rest.sqlite_memberships": (),
    "hubline.inspect": (),
    "hubline.auth.jwt": ("JwtBearer", "make_token"),
    "hubline.telemetry": ("Telemetry",),
    "hubline.rooms.items": (),
    "hubline.runs.items": (),
    "hubline.servers.uvicorn": SERVERS,
}
PACKAGES = ("testing", "models", "limits", "runs", "rooms", "backplanes")
"""Of `from hubline import …`, beside its names."""
PUBLIC_ONLY = ("apps/chat/src", "examples", "tests/interop/contract_server.py", "tests/interop/contract_runs.py")
"""What is written like a user's program: it imports the public names of `hubline` and `hubline.testing` only."""


def files(*folders: str, suffix: str = ".py") -> list[Path]:
    """Every source file of ours below these folders (or the files themselves)."""
    found: list[Path] = []
    for folder in folders:
        path = ROOT / folder
        found += [path] if path.is_file() else sorted(path.rglob("*" + suffix))
    return [path for path in found if "node_modules" not in path.parts and "dist" not in path.parts]


def module_name(path: Path) -> str:
    """`src/hubline/wire/json.py` → `wire.json`; the package itself → `public`."""
    parts = path.relative_to(LIBRARY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts) or "public"


def imports(tree: ast.AST, package: str) -> Iterator[tuple[str, str | None, int]]:
    """Every import as (module, name or None, line), relative ones made absolute with `package`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, None, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = f"{package}.{node.module}" if node.level and node.module else package if node.level else node.module
            for alias in node.names:
                yield str(base), alias.name, node.lineno


def within(module: str, allowed: str) -> bool:
    return any(module == each or module.startswith(each + ".") for each in allowed.split())


def broken_arrows(module: str, source: str) -> list[str]:
    """Imports that architecture §3 does not allow `module` of the library."""
    layer = module.split(".")[0]
    package = "hubline." + module.rpartition(".")[0] if "." in module else "hubline"
    if layer not in ARROWS:
        return [f"{module}: no layer {layer!r} in the table of arrows"]
    problems = []
    for target, name, line in imports(ast.parse(source), package):
        top, _, rest = target.partition(".")
        if top == "hubline":
            inner = rest or (name if name in ARROWS or (LIBRARY / str(name)).is_dir() else "public")
            if f"{inner}.{name}" in ARROWS[layer].split():
                continue
            allowed = layer == "public" or within(str(inner), f"{layer} {ARROWS[layer]}")
        elif within(module, WITHOUT_IO) and top in FORBIDDEN_WITHOUT_IO:
            allowed = False
        else:
            allowed = top not in THIRD_PARTY or within(module, THIRD_PARTY[top])
        if not allowed:
            problems.append(f"{module}:{line} imports {target}" + (f" ({name})" if name else ""))
    return problems


def import_circles(sources: Mapping[str, str]) -> list[str]:
    """Modules of the library that import each other, directly or by way of others, for type checkers or not.

    `sources` by module. A package's `__init__` is left out: it only names what is public.
    """
    graph = {
        module: {
            found
            for target, name, _ in imports(ast.parse(source), f"hubline.{module}".rpartition(".")[0])
            for found in (target.removeprefix("hubline."), f"{target.removeprefix('hubline.')}.{name}")
            if target.startswith("hubline.") and found in sources
        }
        for module, source in sources.items()
    }
    while leaves := [module for module, needed in graph.items() if not needed & graph.keys()]:
        for module in leaves:
            del graph[module]
    while tops := graph.keys() - set().union(*graph.values()):
        for module in tops:
            del graph[module]
    return sorted(graph)


def unknown_libraries(module: str, source: str) -> list[str]:
    """Imports of something that is neither ours, nor the standard library's, nor in the table."""
    known = {*THIRD_PARTY, "hubline", *sys.stdlib_module_names}
    found = imports(ast.parse(source), "hubline")
    return [f"{module}:{line} imports {name}" for name, _, line in found if name.split(".")[0] not in known]


def deep_relative_imports(module: str, source: str) -> list[str]:
    nodes = ast.walk(ast.parse(source))
    return [f"{module}:{node.lineno}" for node in nodes if isinstance(node, ast.ImportFrom) and node.level > 1]


def long_functions(module: str, source: str) -> list[str]:
    return [
        f"{module}:{node.lineno} {node.name} has {length} lines"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES
    ]


def long_modules(module: str, source: str) -> list[str]:
    length = len(source.splitlines())
    return [f"{module} has {length} lines"] if length > MODULE_LINES else []


def stray_tasks(module: str, source: str) -> list[str]:
    """Calls of `create_task` or `ensure_future`, on whatever object."""
    return [
        f"{module}:{node.lineno}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute | ast.Name)
        and (node.attr if isinstance(node, ast.Attribute) else node.id) in ("create_task", "ensure_future")
    ]


def unowned_tasks(module: str, source: str) -> list[str]:
    """The same for users' programs, which may use an `asyncio.TaskGroup`."""
    return [
        f"{module}:{node.lineno}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).endswith(("ensure_future", "asyncio.create_task", "loop().create_task"))
    ]


def import_time_work(module: str, source: str) -> list[str]:
    """Statements at module level that do something when the module is imported."""
    return [
        f"{module}:{node.lineno}"
        for node in ast.parse(source).body
        if isinstance(node, ast.For | ast.While | ast.With | ast.Expr)
        and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    ]


def private_imports(module: str, source: str) -> list[str]:
    """Imports from `hubline` that are no public names."""
    problems = []
    for target, name, line in imports(ast.parse(source), "this"):
        if target.partition(".")[0] == "hubline" and (
            target not in PUBLIC_PACKAGES
            or (
                name is not None
                and name not in ("testing", "models", "limits", "runs", "rooms", "backplanes", *public_names(target))
            )
        ):
            problems.append(f"{module}:{line} {target} {name}")
    return problems


def public_names(package: str) -> Sequence[str]:
    path = ROOT.joinpath("src", *package.split("."), "__init__.py")
    path = path if path.exists() else path.parent.with_suffix(".py")
    for node in ast.parse(path.read_text("utf-8")).body if path.exists() else []:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [str(name) for name in ast.literal_eval(node.value)]
    return PUBLIC_PACKAGES[package]


HOSTS = "|".join(re.escape(a + b) for a, b in (("pypi", ".org"), ("python", "hosted.org"), ("npm", "js.org")))
MACHINE = r"(?<![\w.$}])/(?:" + "|".join(("work", "root", "home/[a-z]+", "Users/[A-Za-z]+", "tmp")) + r")/"
TRACES = re.compile(f"{HOSTS}|{MACHINE}|" + r'"resolved"\: "http')


def traces(module: str, source: str) -> list[str]:
    """Lines that name a package registry's host or a path of one machine."""
    return [f"{module}:{n} {line[:120]}" for n, line in enumerate(source.splitlines(), 1) if TRACES.search(line)]


Check = Callable[[str, str], list[str]]


@pytest.mark.parametrize("check", [broken_arrows, unknown_libraries, deep_relative_imports, import_time_work])
def test_the_library_keeps_the_rule(check: Check) -> None:
    assert [problem for path in files("src") for problem in check(module_name(path), path.read_text("utf-8"))] == []


@pytest.mark.parametrize("package", sorted({module_name(path).partition(".")[0] for path in files("src")}))
def test_no_modules_of_a_package_import_each_other(package: str) -> None:
    modules = {module_name(path): path.read_text("utf-8") for path in files("src") if path.name != "__init__.py"}
    assert import_circles({name: source for name, source in modules.items() if within(name, package)}) == []


@pytest.mark.parametrize(
    "sources",
    [
        {"server.a": "import hubline.server.b", "server.b": "from hubline.server import a"},
        {
            "server.a": "from hubline.server.b import B",
            "server.b": "def late():\n    from hubline.server.c import C",
            "server.c": "if TYPE_CHECKING:\n    from .a import A",
        },
    ],
)
def test_a_circle_is_found(sources: dict[str, str]) -> None:
    below, above = {"server.below": "import asyncio"}, {"server.above": "from hubline.server.a import A"}
    assert import_circles(below | sources | above) == list(sources)
    chain = sources | {"server.a": "import hubline.server.below"}
    assert import_circles(below | chain | above) == []


@pytest.mark.parametrize("check", [long_modules, long_functions])
def test_sources_are_short(check: Check) -> None:
    ours = [path for path in files("src", "apps", "examples", "benchmarks") if "tests" not in path.parts]
    assert [problem for path in ours for problem in check(str(path.relative_to(ROOT)), path.read_text("utf-8"))] == []


def test_front_end_sources_are_short() -> None:
    scripts = [*files("apps", "packages", suffix=".ts"), *files("apps", "packages", suffix=".tsx")]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in scripts}
    assert {path: length for path, length in lengths.items() if length > COMPONENT_LINES} == {}


def test_packages_stay_within_their_budgets() -> None:
    lengths = dict.fromkeys(BUDGETS, 0)
    for path in files("src"):
        package = module_name(path).split(".")[0]
        lengths[package] = lengths.get(package, 0) + len(path.read_text("utf-8").splitlines())
    assert {name: lines for name, lines in lengths.items() if lines > BUDGETS.get(name, MODULE_LINES)} == {}


def test_every_task_has_an_owner() -> None:
    def found(check: Check, *folders: str) -> list[str]:
        names = [str(path.relative_to(ROOT)) for path in files(*folders)]
        return [
            each for name in names if name not in OWN_TASKS for each in check(name, (ROOT / name).read_text("utf-8"))
        ]

    assert found(stray_tasks, "src") == []
    assert found(unowned_tasks, "apps/chat/src", "examples") == []


def test_users_programs_import_public_names_only() -> None:
    ours = [path for path in files(*PUBLIC_ONLY) if path.exists()]
    assert [problem for path in ours for problem in private_imports(path.name, path.read_text("utf-8"))] == []


def test_no_file_names_a_machine_or_a_registry() -> None:
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split("\0")
    paths = [path for name in listed if name and (path := ROOT / name).is_file()]
    text = [path for path in paths if b"\0" not in path.read_bytes()[:4096]]
    assert len(text) > 20
    found = [line for path in text for line in traces(str(path.relative_to(ROOT)), path.read_text("utf-8"))]
    assert found == []


@pytest.mark.parametrize(
    ("check", "module", "source"),
    [
        (broken_arrows, "wire.json", "import asyncio"),
        (broken_arrows, "wire.json", "def late():\n    import time"),
        (broken_arrows, "wire.json", "from hubline._tasks import TaskOwner"),
        (broken_arrows, "wire.json", "import starlette.requests"),
        (broken_arrows, "transports.websocket", "from hubline.server.hub import Hub"),
        (broken_arrows, "transports.websocket", "from hubline import server"),
        (broken_arrows, "transports.websocket", "from hubline import Hub"),
        (broken_arrows, "server.dispatcher", "from hubline.transports.outbox import Outbox"),
        (broken_arrows, "server.dispatcher", "import hubline.transports"),
        (broken_arrows, "server.dispatcher", "from hubline.backplanes.redis import RedisBackplane"),
        (broken_arrows, "server.dispatcher", "import jwt"),
        (broken_arrows, "auth.policies", "import jwt"),
        (broken_arrows, "client.connection", "from hubline.server import hub"),
        (broken_arrows, "client.session", "import asyncio"),
        (broken_arrows, "cli.main", "from hubline.server.hub import Hub"),
        (broken_arrows, "helpers", "import math"),
        (unknown_libraries, "server.hub", "import requests"),
        (deep_relative_imports, "server.hub", "from ..wire import json"),
        (import_time_work, "server.hub", "register(1)"),
        (import_time_work, "server.hub", "for x in y: pass"),
        (long_modules, "server.hub", "x = 1\n" * 351),
        (long_functions, "server.hub", "async def f():\n" + "    x = 1\n" * 60),
        (stray_tasks, "server.hub", "asyncio.create_task(f())"),
        (stray_tasks, "server.hub", "from asyncio import ensure_future\nensure_future(f())"),
        (unowned_tasks, "chat", "asyncio.create_task(f())"),
        (unowned_tasks, "chat", "asyncio.get_running_loop().create_task(f())"),
        (private_imports, "chat", "from hubline.server.hub import Hub"),
        (private_imports, "chat", "import hubline.wire"),
        (private_imports, "chat", "from hubline import _tasks"),
        (traces, "README.md", "see https://" + "registry.npm" + "js.org/x"),
        (traces, "README.md", "cd " + "/wo" + "rk/main"),
        (traces, "package-lock.json", '"resolved": "' + 'https://mirror.example/x.tgz"'),
    ],
)
def test_each_rule_can_be_broken(check: Check, module: str, source: str) -> None:
    assert check(module, source) != []


@pytest.mark.parametrize(
    ("check", "module", "source"),
    [
        (
            broken_arrows,
            "wire.json",
            "import msgspec\nfrom hubline.errors import HubError\nfrom hubline.wire import codec",
        ),
        (broken_arrows, "server.fanout", "from hubline.backplanes.base import Backplane\nimport asyncio"),
        (broken_arrows, "server.fanout", "from hubline.backplanes import base"),
        (broken_arrows, "auth.jwt", "import jwt"),
        (broken_arrows, "testing.harness", "from hubline import HubApp\nfrom hubline.wire.json import JsonCodec"),
        (
            broken_arrows,
            "app",
            "from hubline.server.hub import Hub\nfrom hubline.transports.endpoint import HubEndpoint",
        ),
        (import_time_work, "app", '"""A docstring."""\nX = 1\n"""What X is."""'),
        (long_functions, "app", "def f():\n" + "    x = 1\n" * 59),
        (unowned_tasks, "chat", "async with asyncio.TaskGroup() as tasks:\n    tasks.create_task(f())"),
        (traces, "README.md", "the path ./tmp/x and https://example.com/home/page"),
    ],
)
def test_what_a_rule_allows(check: Check, module: str, source: str) -> None:
    assert check(module, source) == []
