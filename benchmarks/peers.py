"""The measured servers: how each is started, its protocol, and the rows that it leaves out, with the reason."""

import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.load.dialects import Json, SocketIo, WithoutHeaders
from benchmarks.machine import ROOT, commit, installed, output
from hubline.cli.dialect import Dialect, SignalR

NODE = ROOT / "benchmarks" / "node"
REFERENCE = "HUBLINE_REFPEER"
"""Names the program that starts the server on ASP.NET Core."""


@dataclass(frozen=True, slots=True)
class Peer:
    """`command` gets the port in place of `{port}`; so do the values of `environment`."""

    key: str
    name: str
    command: tuple[str, ...]
    dialect: Callable[[], Dialect]
    version: Callable[[], str]
    """Empty if only the running process has it."""
    missing: Callable[[], str] = str
    """What must be installed; empty if nothing is missing."""
    path: str = "/hub"
    environment: Mapping[str, str] = field(default_factory=dict)
    lacks: Mapping[str, str] = field(default_factory=dict)
    """Row: why this peer is left out of it."""
    calls_for_broadcasts: bool = False
    """It has no method that sends broadcasts apart from each other, so a call requests each of them."""
    has_runs: bool = False
    tells_gaps: bool = False
    """Its method `Gaps` reports when messages of other servers may have been lost."""
    messagepack: Callable[[], Dialect] = lambda: SignalR("messagepack")


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", f"benchmarks.servers.{module}", "--port", "{port}", *arguments)


def _needs(module: str) -> Callable[[], str]:
    return lambda: "" if importlib.util.find_spec(module) else f"no {module}: `make bench` installs it"


def _node_missing() -> str:
    if shutil.which("node") is None:
        return "no Node.js: install it from https://nodejs.org"
    return "" if (NODE / "node_modules" / "socket.io").exists() else "no socket.io: npm install in benchmarks/node"


def _node_version() -> str:
    package = NODE / "node_modules" / "socket.io" / "package.json"
    return f"{json.loads(package.read_text('utf-8'))['version']} on Node.js {output('node', '--version')}"


def _reference() -> str:
    return os.environ.get(REFERENCE, "")


def _sources(root: Path) -> dict[str, str]:
    """The environment in which `hubline` is imported from that checkout."""
    return {"PYTHONPATH": str(root / "src")}


def _without(reason: str, *rows: str) -> dict[str, str]:
    return dict.fromkeys(rows, reason)


NOT_SIGNALR = _without(
    "it has a protocol of its own",
    *("calls-msgpack", "calls-date", "echo-all", "broadcast"),
    *("connects-negotiated", "storm-negotiated", "sse", "polling", "polling-waiting"),
)
NO_STREAMS = _without("it has no streams", "streams", "paced-streams")
NO_NODES = _without("forwarded requests are asked of Hubline", "nodes")
NO_RUNS = _without("it has no answers that outlive connections", "attach", "cut-runs", "cut-rooms") | NO_NODES
ANSWERS = _without("answers are asked of Hubline and ASP.NET Core", "viewers", "answers", "cut-groups") | NO_RUNS
GROWTH = _without("growth is asked of Hubline and ASP.NET Core", "growth-connections", "growth-groups", "growth-size")
NO_BACKPLANE = _without(
    "servers with a backplane are asked of Hubline and ASP.NET Core",
    *("backplane-one", "backplane-many", "backplane-hop", "backplane-calls", "backplane-streams", "backplane-results"),
    *("growth-servers", "growth-redis", "recovery"),
)
NOT_IDLE = _without("idle memory is asked of Hubline, ASP.NET Core and the Socket.IO servers", "idle")
MICROSOFT = _without("Microsoft's load is put on Hubline and ASP.NET Core", "calls-date", "echo-all", "broadcast")
NO_STORM = _without(
    "the storm is asked of Hubline, ASP.NET Core and the Socket.IO servers", "storm", "storm-negotiated"
)

PEERS: tuple[Peer, ...] = (
    Peer(
        "hubline",
        "Hubline",
        _python("hubline_server"),
        SignalR,
        lambda: installed("hubline"),
        environment=_sources(ROOT),
        has_runs=True,
        tells_gaps=True,
    ),
    Peer(
        "hubline-asgi",
        "Hubline, plain ASGI",
        _python("hubline_server", "--no-accelerate"),
        SignalR,
        lambda: installed("hubline"),
        environment=_sources(ROOT),
        lacks=GROWTH
        | NO_BACKPLANE
        | _without("the same code as above serves it", "sse", "polling", "polling-waiting")
        | MICROSOFT
        | ANSWERS,
    ),
    Peer(
        "aspnetcore",
        "ASP.NET Core",
        ("{reference}", "server"),
        SignalR,
        str,
        lambda: "" if _reference() else f"no ASP.NET Core: {REFERENCE} names no program that starts it",
        environment={"URLS": "http://127.0.0.1:{port}"},
        calls_for_broadcasts=True,
        lacks=NO_RUNS,
    ),
    Peer(
        "aiosignalr",
        "aiosignalr",
        _python("aiosignalr_server"),
        SignalR,
        lambda: installed("aiosignalr"),
        _needs("aiosignalr"),
        lacks=GROWTH | NO_BACKPLANE | NOT_IDLE | NO_STORM | MICROSOFT | ANSWERS,
        messagepack=lambda: WithoutHeaders("messagepack"),
    ),
    Peer(
        "socketio",
        "python-socketio",
        _python("socketio_server"),
        SocketIo,
        lambda: installed("python-socketio"),
        _needs("socketio"),
        path="/socket.io/?EIO=4&transport=websocket",
        lacks=NOT_SIGNALR | NO_BACKPLANE | ANSWERS | NO_STREAMS | GROWTH,
    ),
    Peer(
        "starlette",
        "Starlette loop",
        _python("starlette_loop"),
        Json,
        lambda: installed("starlette"),
        lacks=NOT_SIGNALR | NO_BACKPLANE | ANSWERS | NO_STREAMS | GROWTH | NOT_IDLE | NO_STORM,
    ),
    Peer(
        "channels",
        "Django Channels",
        _python("channels_server"),
        Json,
        lambda: installed("channels"),
        _needs("channels"),
        lacks=NOT_SIGNALR | NO_BACKPLANE | ANSWERS | NO_STREAMS | GROWTH | NOT_IDLE | NO_STORM,
    ),
    Peer(
        "node",
        "socket.io (Node.js)",
        ("node", str(NODE / "server.js"), "--port", "{port}"),
        SocketIo,
        _node_version,
        _node_missing,
        path="/socket.io/?EIO=4&transport=websocket",
        lacks=NOT_SIGNALR | NO_BACKPLANE | ANSWERS | NO_STREAMS | GROWTH,
    ),
    Peer(
        "floor",
        "ready-made frames",
        _python("floor"),
        Json,
        lambda: installed("picows"),
        _needs("picows"),
        lacks=NOT_SIGNALR
        | NO_BACKPLANE
        | ANSWERS
        | NO_STREAMS
        | GROWTH
        | NOT_IDLE
        | NO_STORM
        | _without("it is no hub, only the floor under a broadcast", "calls", "connects", "burst"),
    ),
)


SERVERS = ("hubline", "aspnetcore")
"""The default peers of the rows of several servers."""

QUICK = ("hubline", "aspnetcore", "starlette", "node")
"""The default peers of a quick run."""


def named(keys: Iterable[str]) -> list[Peer]:
    """The peers with these keys, all without any.

    Raises:
        KeyError: there is no such peer.
    """
    known = {peer.key: peer for peer in PEERS}
    return [known[key] for key in keys] or list(PEERS)


def checkout(key: str, root: Path) -> Peer:
    """Hubline of another checkout, with the same server program, to compare two commits in one run.

    Raises:
        ValueError: another peer has this key.
    """
    if any(peer.key == key for peer in PEERS):
        raise ValueError(f"{key} is the name of a peer")
    return replace(
        named(["hubline"])[0],
        key=key,
        name=f"Hubline in {key}",
        version=lambda: commit(root),
        missing=lambda: "" if (root / "src" / "hubline").is_dir() else f"no checkout of Hubline in {root}",
        environment=_sources(root.resolve()),
    )
