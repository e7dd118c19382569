"""An estimate of servers, Redis and cost for a number of connections, from measured constants."""

import math
import statistics
from dataclasses import dataclass

from benchmarks.report import markdown
from benchmarks.results import OURS, Result
from benchmarks.rows.growth import MEMBERS
from hubline.backplanes.envelope import InvocationEnvelope
from hubline.websocket_frames import message_frame
from hubline.wire.json import JsonCodec
from hubline.wire.messages import Invocation
from hubline.wire.msgpack import MessagePackCodec

FULL = 0.6
"""Share of a core, a server's or Redis's, up to which it is planned. The rest is for peaks."""
PRICE = 0.04
"""US dollars for an hour of a core with 4 GB. An example: put your own in its place."""
HOURS = 730
"""Of a month."""
CONNECTIONS = 1_000_000
EACH = 10_000
"""The most connections of a process: as many as were measured."""
TCP = 66
"""Bytes around a message in a packet of its own: Ethernet, IPv4, TCP with timestamps. IPv6 has 20 more."""
CHANNEL = "Chat.ChatHub:group:room-012345"
NEEDED = ("idle", "paced", "growth-servers", "growth-redis", "backplane-hop", "recovery")
"""Rows without which there is no plan."""


@dataclass(frozen=True, slots=True)
class Constants:
    """µs of CPU, and bytes."""

    delivery: float
    call: float
    hearing: float
    publish: float
    passing: float
    resting: float
    memory: float
    redis_memory: float
    connect: float
    redis_connect: float
    message: int
    envelope: int


SOURCES = {
    "delivery": ("a message to one connection, µs of a server", "*200 broadcasts apart*: each is a write of its own"),
    "call": (
        "a call that sends one message, µs of its server",
        "*to one who is on the other*, the first server",
    ),
    "hearing": ("a message that one more server hears, µs of that server", "slope of *by servers*, without Redis"),
    "publish": ("a message that is published, µs of Redis", "*of Redis per published message*, at no server"),
    "passing": ("… and passed on to one server, µs of Redis", "its slope"),
    "resting": ("a second of a connection that says nothing, µs of its server", "*5,000 idle connections*, with pings"),
    "memory": ("a connection, bytes of its server", "*Redis is killed*: 5,000 in groups, with their channels"),
    "redis_memory": ("… and of Redis", "the same"),
    "connect": ("a connection that comes and joins a group, µs of its server", "the same"),
    "redis_connect": ("… and of Redis", "the same"),
    "message": ("bytes of a message of 64 characters with its frame", "encoded"),
    "envelope": ("… and in both codecs, from Redis to a server", "encoded"),
}
"""What each constant is, and which row it comes from."""


@dataclass(frozen=True, slots=True)
class Load:
    """The activity of all connections. Each message is for `audience` connections."""

    name: str
    per_second: float
    """Messages of all connections together."""
    audience: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The resources for a load."""

    load: Load
    servers: int
    """Processes, with a core each."""
    share: float
    """Of each of their cores."""
    heard: float
    """How many servers get a message."""
    redis: float
    """Cores of Redis, each of which is a node."""
    client_bytes: float
    """A second, to all clients."""
    redis_bytes: float
    """A second, from Redis to the servers."""

    @property
    def nodes(self) -> int:
        """More than one need sharded pub/sub, which divides the channels among them."""
        return max(1, math.ceil(self.redis / FULL))

    @property
    def breaks(self) -> tuple[str, float]:
        """The first limit as the load grows, with one Redis and these servers, and its multiple of the load."""
        full = {"Redis": self.redis, "the servers": self.share}
        first = max(full, key=full.__getitem__)
        return first, 1 / full[first] if full[first] else math.inf

    def month(self, price: float) -> float:
        return (self.servers + self.nodes) * price * HOURS


def loads(connections: int) -> list[Load]:
    """From messages to one connection to messages to all connections."""
    return [
        Load("a notification a minute for each", connections / 60, 1),
        Load("groups of 100, each member speaks every ten minutes", connections / 600, MEMBERS),
        Load("groups of 100, each member speaks every minute", connections / 60, MEMBERS),
        Load("a message a second to everybody", 1.0, connections),
    ]


def constants(result: Result) -> Constants | None:
    """The measured constants of a result; `None` if it lacks a row."""
    if any(not result.of(row, OURS) for row in NEEDED):
        return None

    def median(row: str, *figures: str) -> float:
        return sum(result.median(row, OURS, figure) for figure in figures)

    points = [int(point) for point in result.of("growth-redis", OURS)[0]]
    publish, passing = _line([(each, median("growth-redis", str(each))) for each in points])
    _, more = _line([(each, median("growth-servers", str(each)) * MEMBERS) for each in points])
    message = Invocation(target="ReceiveMessage", arguments=["alice", "x" * int(result.settings["message_size"])])
    packets = {codec.name: codec.encode(message) for codec in (JsonCodec(), MessagePackCodec())}
    envelope = InvocationEnvelope((), packets).encode()
    return Constants(
        delivery=median("paced", "user_us", "kernel_us"),
        call=median("backplane-hop", "first_us"),
        hearing=max(more - passing, 0.0),
        publish=max(publish, 0.0),
        passing=max(passing, 0.0),
        resting=median("idle", "server_cpu") / median("idle", "connections") * 1e6,
        memory=median("recovery", "server_bytes"),
        redis_memory=median("recovery", "redis_bytes"),
        connect=median("recovery", "connect_us"),
        redis_connect=median("recovery", "connect_redis_us"),
        message=len(message_frame(packets["json"], text=True)),
        envelope=len(b"*3\r\n$7\r\nmessage\r\n$%d\r\n\r\n$%d\r\n\r\n" % (len(CHANNEL), len(envelope)))
        + len(CHANNEL)
        + len(envelope),
    )


def plan(load: Load, connections: int, known: Constants) -> Plan:
    """As many servers as their cores, or the connections of each, require. Connections go to them at random."""
    servers = max(1, math.ceil(connections / EACH))
    while (cores := _cores(load, connections, servers, known)) > servers * FULL:
        servers = max(servers + 1, math.ceil(cores / FULL))
    heard = _heard(load, servers)
    return Plan(
        load=load,
        servers=servers,
        share=cores / servers,
        heard=heard,
        redis=load.per_second * (known.publish + heard * known.passing) / 1e6,
        client_bytes=load.per_second * load.audience * (known.message + TCP),
        redis_bytes=load.per_second * heard * known.envelope,
    )


def figures(result: Result, connections: int = CONNECTIONS, price: float = PRICE) -> str:
    """The tables of the page; empty where the result lacks a row for them."""
    known = constants(result)
    if known is None:
        return ""
    rows = [(name, getattr(known, name)) for name in SOURCES]
    sources = [
        [SOURCES[name][0], f"{value:,.0f}" if value >= 100 else f"{value:.1f}", SOURCES[name][1]]
        for name, value in rows
    ]
    plans = [plan(load, connections, known) for load in loads(connections)]
    servers = max(each.servers for each in plans)
    return "\n\n".join(
        [
            f"Measured: {_when(result)}; rows of [the benchmarks](../benchmarks.md).",
            markdown(["constant", "", "row"], sources),
            f"### {connections:,} connections, {price:g} dollars an hour for a core",
            markdown(HEADS, [_cells(each, price) for each in plans]),
            "### What breaks first",
            "\n".join(f"- *{each.load.name}*: {_told(each)}" for each in plans),
            "### When everybody comes back at once",
            _storm(known, connections, servers),
        ]
    )


HEADS = [
    "load",
    "messages/s",
    "deliveries/s",
    "servers",
    "of a core",
    "hear each",
    "to clients",
    "from Redis",
    "Redis cores",
    "Redis nodes",
    "dollars a month",
]


def _cells(each: Plan, price: float) -> list[str]:
    load = each.load
    return [
        load.name,
        f"{load.per_second:,.0f}",
        f"{load.per_second * load.audience:,.0f}",
        f"{each.servers:,}",
        f"{each.share:.0%}",
        f"{each.heard:.1f}",
        f"{each.client_bytes * 8 / 1e9:.2f} Gbit/s",
        f"{each.redis_bytes * 8 / 1e9:.3f} Gbit/s",
        f"{each.redis:.2f}",
        f"{each.nodes}",
        f"{each.month(price):,.0f}",
    ]


def _told(each: Plan) -> str:
    first, times = each.breaks
    if times < 1:
        return f"{first} cannot do it: it is full at {times:.2f} times this load."
    return f"{first}, at {times:,.1f} times this load."


def _storm(known: Constants, connections: int, servers: int) -> str:
    each = connections / servers
    back, redis = each * known.connect / 1e6, connections * known.redis_connect / 1e6
    memory, redis_memory = each * known.memory / 1e6, connections * known.redis_memory / 1e6
    return (
        f"With {servers:,} servers each takes {each:,.0f} connections back in {back:.1f} s of its core; they take "
        f"{memory:,.0f} MB of it. One Redis needs {redis:.1f} s of its own for the channels of all, and "
        f"{redis_memory:,.0f} MB for them."
    )


def _when(result: Result) -> str:
    machines = [result.machine, *(result.later[row]["machine"] for row in NEEDED if row in result.later)]
    return "; ".join(dict.fromkeys(f"{each['when']}, commit {each['commit']}" for each in machines))


def _cores(load: Load, connections: int, servers: int, known: Constants) -> float:
    message = known.call + _heard(load, servers) * known.hearing + load.audience * known.delivery
    return (load.per_second * message + connections * known.resting) / 1e6


def _heard(load: Load, servers: int) -> float:
    """The number of servers with at least one connection of the audience."""
    return float(servers * (1 - (1 - 1 / servers) ** load.audience))


def _line(points: list[tuple[int, float]]) -> tuple[float, float]:
    """The intercept and the slope of the line through points: least squares."""
    x, y = (statistics.fmean(values) for values in zip(*points, strict=True))
    spread = sum((each - x) ** 2 for each, _ in points)
    slope = sum((each - x) * (value - y) for each, value in points) / spread if spread else 0.0
    return y - slope * x, slope
