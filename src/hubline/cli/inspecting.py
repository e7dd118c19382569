"""The command `hubline inspect`: what a running server does, as a table that is renewed each second."""

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from hubline.cli.harmless import harmless
from hubline.client.negotiation import is_address
from hubline.errors import ConfigurationError

REQUEST_TIMEOUT = 10.0
"""Seconds for one answer."""

ROWS = 15
"""Rows of each table in a terminal; `--json` has them all."""

UNITS = ("B", "KiB", "MiB", "GiB")


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an error: the token would go along, to wherever it leads."""

    def redirect_request(self, *arguments: Any) -> None:
        return None


_opener = urllib.request.build_opener(NoRedirect)


def address_of(url: str) -> str:
    """Where the state is: below the path of the URL, or without one below `/hubline`.

    Raises:
        ConfigurationError: it is no address of a server.
    """
    if not is_address(url, ("http", "https")):
        raise ConfigurationError([f"{url!r} is not the address of a server: write one such as http://127.0.0.1:8000"])
    parts = urlsplit(url)
    path = parts.path.rstrip("/").removesuffix("/state") or "/hubline"
    return urlunsplit((parts.scheme, parts.netloc, f"{path}/state", "", ""))


def fetch(url: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """One state of the server.

    Raises:
        ConfigurationError: there is none; the text says why, and what to do.
    """
    try:
        request = urllib.request.Request(url, headers=dict(headers))
        with _opener.open(request, timeout=REQUEST_TIMEOUT) as answer:
            found = json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            raise ConfigurationError([_refused(url, error.code, error.headers.get("location"))]) from None
    except (OSError, http.client.HTTPException) as error:
        raise ConfigurationError([f"no server answers at {url}: {getattr(error, 'reason', error)}"]) from None
    except ValueError:  # no JSON, and headers that cannot be sent
        raise ConfigurationError([f"what answers at {url} is no `Inspect` of Hubline"]) from None
    if not isinstance(found, dict) or "processes" not in found:
        raise ConfigurationError([f"what answers at {url} is no `Inspect` of Hubline"])
    return found


def _refused(url: str, status: int, location: str | None) -> str:
    match status:
        case 401:
            return f"{url} wants to know who asks (401): give the token of an administrator with --token"
        case 403:
            return f"{url} refuses (403): this user is no administrator, or the page is for the server's machine only"
        case 404:
            return f"nothing is mounted at {url} (404): mount hubline.inspect.Inspect, or give its path"
    if location is not None:
        return f"{url} redirects to {location} ({status}): give that address if it is right"
    return f"{url} answered with status {status}"


def run_inspect(url: str, headers: Mapping[str, str], *, as_json: bool, every: float) -> None:
    """Show until Ctrl+C; with `as_json`, print two states' difference once.

    Raises:
        ConfigurationError: as `fetch`.
    """
    address = address_of(url)
    before = fetch(address, headers)
    console = Console(highlight=False)
    if as_json or not console.is_terminal:
        time.sleep(every)
        now = fetch(address, headers)
        found = now | {"rates": rates(before, now)}
        if as_json:
            console.out(harmless(json.dumps(found, ensure_ascii=False, indent=2), lines=True))
        else:
            console.print(view(url, now, found["rates"]))
        return
    try:
        with Live(view(url, before, None), console=console, screen=True, auto_refresh=False) as live:
            while True:
                time.sleep(every)
                now = fetch(address, headers)
                live.update(view(url, now, rates(before, now)), refresh=True)
                before = now
    except KeyboardInterrupt:
        return


def rates(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, float]:
    """Messages a second, in and out: of the processes that are in both states."""
    known = {each["pid"]: each for each in before["processes"]}
    found = {"receivedMessages": 0.0, "writtenMessages": 0.0}
    for each in now["processes"]:
        earlier = known.get(each["pid"])
        if earlier is not None and each["time"] > earlier["time"]:
            for name in found:
                found[name] += max(each[name] - earlier[name], 0) / (each["time"] - earlier["time"])
    return {name: round(rate, 1) for name, rate in found.items()}


def view(url: str, state: Mapping[str, Any], found: Mapping[str, float] | None) -> RenderableType:
    """A state, ready to print."""
    processes = state["processes"]
    ready = all(each["ready"] for each in processes)
    rate = "…" if found is None else f"{found['receivedMessages']:,.0f} in, {found['writtenMessages']:,.0f} out"
    head = Table(show_header=False, box=None, pad_edge=False)
    head.add_column(style="dim")
    head.add_column()
    head.add_row("server", Text(url))
    head.add_row("state", Text("ready", "green") if ready else Text("not ready", "bold red"))
    if len(processes) > 1:
        head.add_row("workers", f"{len(processes)}")
    head.add_row("connections", f"{state['connections']['count']:,}")
    head.add_row("messages a second", rate)
    head.add_row("queued", size(sum(each["queuedBytes"] for each in processes)))
    head.add_row("dropped", f"{sum(each['droppedMessages'] for each in processes):,}")
    if state["backplane"] is not None:
        head.add_row("backplane", _backplane(state["backplane"]))
    return Group(head, *_tables(state))


def _backplane(state: Mapping[str, Any]) -> Text:
    reached = Text("in reach", "green") if state["ready"] else Text("out of reach", "bold red")
    lag = "" if state["lag"] is None else f", {state['lag'] * 1000:.0f} ms"
    return reached.append(f"{lag}, {state['gaps']:,} gaps", "default")


def _tables(state: Mapping[str, Any]) -> list[Table]:
    made = []
    counts = ("connections", "groups", "streams", "waitingCalls")
    hubs = [(" ".join(each["paths"]), each["name"], *(each[name] for name in counts)) for each in state["hubs"]]
    made.append(_table("hubs", ("path", "name", "#connections", "#groups", "#streams", "#waiting calls"), hubs))
    connections = [
        (each["id"], each["hub"], each["user"] or "", each["transport"], age(each["age"]), size(each["queuedBytes"]))
        for each in state["connections"]["listed"]
    ]
    columns = ("id", "hub", "user", "transport", "#age", "#queued")
    made.append(_table("connections", columns, connections, state["connections"]["count"]))
    groups = [(each["name"], each["hub"], each["connections"]) for each in state["groups"]["listed"]]
    made.append(_table("groups", ("name", "hub", "#connections"), groups, state["groups"]["count"]))
    runs = [
        (each["id"], each["state"], each["room"] or "", each["starter"] or "", each["startedAt"], each["viewers"])
        for each in state["runs"]["listed"]
    ]
    made.append(_table("runs", ("id", "state", "room", "starter", "started", "#viewers"), runs, state["runs"]["count"]))
    return [table for table in made if table.row_count]


def _table(title: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]], count: int | None = None) -> Table:
    more = "" if count is None or count <= len(rows[:ROWS]) else f", {len(rows[:ROWS])} of {count:,}"
    made = Table(title=title + more, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in columns:
        made.add_column(column.lstrip("#"), justify="right" if column.startswith("#") else "left", overflow="ellipsis")
    for row in rows[:ROWS]:
        made.add_row(*(Text(f"{each:,}" if isinstance(each, int) else harmless(each)) for each in row))
    return made


def age(seconds: float) -> str:
    """As people say it: `4 s`, `12 min`, `3 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7_200 else f"{seconds / 3_600:.0f} h"


def size(count: float) -> str:
    """Bytes in the unit that fits."""
    if count < 1_024:
        return f"{count:.0f} {UNITS[0]}"
    unit = 0
    while count >= 1_024 and unit < len(UNITS) - 1:
        count, unit = count / 1_024, unit + 1
    return f"{count:.1f} {UNITS[unit]}"
