"""What one process has at one moment: its hubs, connections, groups and runs, as JSON values.

Never what is said: no arguments, no texts of runs, no tokens. Names of fields are in camelCase, as in `RunInfo.item`.
"""

import asyncio
import dataclasses
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from heapq import nlargest
from operator import itemgetter
from typing import Any

from hubline import HubApp, _worker
from hubline.runs import RunInfo, Runs
from hubline.transports.entries import Entry
from hubline.wire.names import camel_case

LISTED = 500
"""Connections, groups and runs that are listed, each; the counts are of all. Ours: one page for a person."""

STRIDE = 500
"""Connections that are counted before other tasks get a turn of the event loop: about 1 ms. Ours."""

DESCRIBED = 100
"""The same for those that are listed."""

_QUEUED, _SIZE, _STARTED = itemgetter("queuedBytes"), itemgetter("connections"), itemgetter("startedAt")


class Site:
    """One `HubApp` with the path at which it is mounted, and the runs of its hubs."""

    def __init__(self, mount: str, app: HubApp) -> None:
        self.mount, self.app = mount.rstrip("/"), app

    def runs(self) -> list[Runs]:
        """Those that the classes of its hubs have."""
        found = (getattr(runtime.hub, "hubline_runs", None) for runtime in self.app._hubs)
        return [each for each in found if isinstance(each, Runs)]

    def path(self, endpoint: object) -> str:
        """The path of the hub that a connection is for."""
        return self.mount + self.app._table.paths.get(endpoint, "?")


async def snapshot(sites: Sequence[Site], runs: Iterable[Runs] = ()) -> dict[str, Any]:
    """This process. `runs`: those that the hubs of the sites do not have."""
    worker = _worker.current
    open_ones = 0
    connections: list[dict[str, Any]] = []
    hubs: list[dict[str, Any]] = []
    groups: list[dict[str, Any]] = []
    counted: dict[str, int] = {}
    for site in sites:
        number, listed = await _connections(site)
        open_ones, connections = open_ones + number, connections + listed
        groups += _groups(site)
        hubs += _hubs(site)
        for name, count in dataclasses.asdict(await site.app._registry.statistics_in_turns()).items():
            counted[name] = counted.get(name, 0) + count
    everything = dict.fromkeys([*runs, *(each for site in sites for each in site.runs())])
    found = [_run(record.info()) for each in everything for record in list(each._records.values())]
    return {
        "processes": [
            {
                "pid": os.getpid(),
                "worker": None if worker is None else worker.number,
                "time": time.monotonic(),
                "ready": all(site.app.ready for site in sites),
                "receivedMessages": sum(runtime.received for site in sites for runtime in site.app._hubs),
                **{camel_case(name): count for name, count in counted.items()},
            }
        ],
        "hubs": hubs,
        "backplane": _backplane(sites),
        "connections": {"count": open_ones, "listed": nlargest(LISTED, connections, key=_QUEUED)},
        "groups": {"count": len(groups), "listed": nlargest(LISTED, groups, key=_SIZE)},
        "runs": {"count": len(found), "listed": nlargest(LISTED, found, key=_STARTED)},
    }


def together(all: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The snapshots of several processes as one."""
    hubs: dict[str, dict[str, Any]] = {}
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    for each in all:
        for hub in each["hubs"]:
            known = hubs.setdefault(hub["name"], {"name": hub["name"], "paths": hub["paths"]})
            for name, count in hub.items():
                if isinstance(count, int):
                    known[name] = known.get(name, 0) + count
        for group in each["groups"]["listed"]:
            known = groups.setdefault((group["hub"], group["name"]), {**group, "connections": 0})
            known["connections"] += group["connections"]
    backplanes = [each["backplane"] for each in all if each["backplane"] is not None]
    return {
        "processes": sorted((one for each in all for one in each["processes"]), key=itemgetter("pid")),
        "hubs": list(hubs.values()),
        "backplane": _worst(backplanes) if backplanes else None,
        "connections": _listed(all, "connections", _QUEUED),
        "groups": {
            # a group in several processes is one; those that were not listed may be too
            "count": max(len(groups), *(each["groups"]["count"] for each in all)),
            "listed": nlargest(LISTED, groups.values(), key=_SIZE),
        },
        "runs": _listed(all, "runs", _STARTED),
    }


def _listed(all: Sequence[Mapping[str, Any]], what: str, key: Any) -> dict[str, Any]:
    listed = nlargest(LISTED, (one for each in all for one in each[what]["listed"]), key=key)
    return {"count": sum(each[what]["count"] for each in all), "listed": listed}


async def _connections(site: Site) -> tuple[int, list[dict[str, Any]]]:
    """How many there are, and those with the most queued, of others the newest."""
    counted = []
    for number, entry in enumerate(site.app._registry.opened(), 1):
        counted.append((entry.session.outbox.queued_bytes, entry.since, number, entry))
        if number % STRIDE == 0:
            await asyncio.sleep(0)
    await asyncio.sleep(0)
    chosen = nlargest(LISTED, counted)
    listed = []
    for number, (*_, entry) in enumerate(chosen, 1):
        listed.append(_connection(site, entry))
        if number % DESCRIBED == 0:
            await asyncio.sleep(0)
    return len(counted), listed


def _connection(site: Site, entry: Entry) -> dict[str, Any]:
    session, worker = entry.session, _worker.current
    outbox = session.outbox.statistics()
    return {
        "id": session.id,
        "hub": site.path(entry.endpoint),
        "user": session.scope.user_id,
        "transport": session.transport.value,
        "worker": None if worker is None else worker.number,
        "age": round(max(site.app._clock.now() - entry.since, 0.0), 1),
        "queuedBytes": outbox.queued_bytes,
        "queuedMessages": outbox.queued_messages,
        "unreadBytes": session.inbox.size,
        "groups": [name for each in site.app._hubs for name in each.fanout.connections.groups_of(session.id)],
    }


def _groups(site: Site) -> list[dict[str, Any]]:
    return [
        {"hub": runtime.fanout.hub, "name": name, "connections": size}
        for runtime in site.app._hubs
        for name, size in runtime.fanout.connections.group_sizes().items()
    ]


def _hubs(site: Site) -> list[dict[str, Any]]:
    paths: dict[type, list[str]] = {}
    for each in site.app.describe():
        paths.setdefault(each.hub, []).append(site.mount + each.path)
    return [
        {
            "name": runtime.fanout.hub,
            "paths": paths.get(runtime.hub, []),
            **{camel_case(name): count for name, count in runtime.statistics().items()},
        }
        for runtime in site.app._hubs
    ]


def _run(info: RunInfo) -> dict[str, Any]:
    """Without the key, which belongs to its starter, and the position."""
    found = info.item()
    chosen = {name: found[name] for name in ("id", "state", "room", "starter", "startedAt", "endedAt", "viewers")}
    return chosen | {"startedAt": chosen["startedAt"] or ""}


def _backplane(sites: Sequence[Site]) -> dict[str, Any] | None:
    found = [site.app._subscriptions.statistics() for site in sites if site.app._subscriptions is not None]
    return _worst([{name: each[name] for name in ("ready", "lag", "gaps")} for each in found]) if found else None


def _worst(all: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    lags = [each["lag"] for each in all if each["lag"] is not None]
    gaps = sum(each["gaps"] for each in all)
    return {"ready": min(bool(each["ready"]) for each in all), "lag": max(lags, default=None), "gaps": gaps}
