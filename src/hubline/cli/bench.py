"""The command `hubline bench`: calls a server with many clients, and prints the rates in a table."""

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from picows import WSHandshakeError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hubline.cli.calls import Calls, call_for
from hubline.cli.dialect import SignalR
from hubline.cli.load import LoadError, allow_files, connect_many
from hubline.cli.words import headers_of
from hubline.client.negotiation import is_address
from hubline.errors import ConfigurationError

SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
BUSY = 0.9
"""The share of a core above which the clients may limit the result."""


def websocket_url(url: str) -> str:
    """The address for a WebSocket without negotiate.

    Raises:
        ConfigurationError: it is not the address of a hub.
    """
    if not is_address(url, SCHEMES):
        raise ConfigurationError([f"{url!r} is not the address of a hub: write one such as http://127.0.0.1:8000/chat"])
    parts = urlsplit(url)
    return parts._replace(scheme=SCHEMES[parts.scheme]).geturl()


def parse_arguments(texts: Sequence[str]) -> list[Any]:
    """Read an argument as JSON, or as text if it is not JSON."""
    found: list[Any] = []
    for text in texts:
        try:
            found.append(json.loads(text))
        except ValueError:
            found.append(text)
    return found


async def measure(
    url: str,
    method: str,
    arguments: Sequence[Any],
    *,
    clients: int,
    seconds: float,
    protocol: str = "json",
    headers: Mapping[str, str] | None = None,
) -> Calls:
    """Connect, call for this time with one call in flight for each client, disconnect.

    Raises:
        ConfigurationError: there is no server, it refuses us, or no call succeeds.
    """
    address = websocket_url(url)
    try:
        connections = await connect_many(clients, address, SignalR(protocol), headers)
    except (OSError, WSHandshakeError, LoadError, TimeoutError) as error:
        raise ConfigurationError([_refused(url, error)]) from None
    try:
        calls = await call_for(seconds, connections, method, arguments)
    finally:
        for connection in connections:
            connection.close()
        await asyncio.sleep(0)  # sockets are closed in the next turn
    if not calls.latencies:
        raise ConfigurationError([f"no call of {method!r} succeeded: {text}" for text in calls.errors])
    return calls


def _refused(url: str, error: Exception) -> str:
    if isinstance(error, WSHandshakeError):
        status = int(error.response.status) if error.response is not None else 0
        if status == 401:
            return f"{url} requires authentication (401): give a token with --token"
        if status == 403:
            return f"{url} refused access (403): there is no hub, or it needs another --token or --header Origin=…"
        if status == 404:
            return f"there is no hub at {url} (404): give the path of the hub, such as /chat"
        return f"{url} did not open a WebSocket: status {status}" if status else f"{url} did not open a WebSocket"
    if isinstance(error, LoadError):
        return f"{url} refused the connection: {error}"
    return f"no server answers at {url}: {error}"


def run_bench(
    url: str,
    method: str,
    arguments: Sequence[str],
    clients: int,
    seconds: float,
    protocol: str,
    token: str | None,
    headers: Sequence[str],
) -> None:
    """Measure and print.

    Raises:
        ConfigurationError: as `measure`, or an option is wrong.
    """
    console = Console(highlight=False)
    allow_files(clients + 64)
    load = measure(
        url,
        method,
        parse_arguments(arguments),
        clients=clients,
        seconds=seconds,
        protocol=protocol,
        headers=headers_of(token, headers),
    )
    if sys.platform == "win32":
        calls = asyncio.run(load)
    else:
        import uvloop

        calls = uvloop.run(load)
    console.print(table(calls, clients))
    for note in notes(calls):
        console.print("[yellow]note:[/yellow]", Text(note), soft_wrap=True)


def table(calls: Calls, clients: int) -> Table:
    """The figures, ready to print."""
    made = Table(show_header=False, box=None, pad_edge=False)
    made.add_column(style="dim")
    made.add_column(justify="right")
    rows = [
        ("clients", f"{clients:,}"),
        ("calls answered", f"{len(calls.latencies):,}"),
        ("calls a second", f"{calls.per_second:,.0f}"),
        ("half of them within", _milliseconds(calls.percentile(0.5))),
        ("99 % within", _milliseconds(calls.percentile(0.99))),
        ("errors", f"{calls.errors.total():,}"),
        ("clients' own CPU", f"{calls.client_cpu:.0%} of a core"),
    ]
    for row in rows:
        made.add_row(*row)
    return made


def notes(calls: Calls) -> list[str]:
    """The notes that a reader of the figures needs."""
    found = [f"{count:,} failed: {text}" for text, count in calls.errors.most_common(5)]
    if calls.client_cpu > BUSY:
        found.append("the clients used all of their core: the server can do more than this shows")
    return found


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms"
