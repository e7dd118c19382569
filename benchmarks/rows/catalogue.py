"""All rows: what each asks, what is run for it, and how its figures are shown."""

from collections.abc import Iterable

from benchmarks.rows import broadcasts, calls, connections, fallbacks, growth, nodes, runs, storms, streams
from benchmarks.rows.catalogue_backplane import BACKPLANE
from benchmarks.rows.row import CALLS, CLIENT, COSTS, DELIVERED, KERNEL, SERVER, USER, Column, Row

STORM = (
    Column("per_second", "clients/s"),
    Column("last_s", "last after s", "{:.2f}"),
    Column("errors", "errors"),
    *COSTS,
)

TOKEN = Column("cpu_us", "µs a token", "{:.2f}")

CUTS = (
    Column("lost", "lost", "{:.1%}"),
    Column("p50_ms", "p50 ms"),
    Column("p99_ms", "p99 ms"),
    Column("messages", "messages"),
)

ROWS: tuple[Row, ...] = (
    Row(
        "calls",
        "Echo calls, JSON",
        "64 clients, each with one call in flight: how many calls are answered, and how soon?",
        (*CALLS, *COSTS),
        load=calls.json_calls,
    ),
    Row(
        "calls-msgpack",
        "Echo calls, MessagePack",
        "The same in MessagePack.",
        (*CALLS, *COSTS),
        load=calls.messagepack_calls,
    ),
    Row(
        "calls-date",
        "Microsoft's load: `Echo(DateTime)`",
        "64 clients, each with one call in flight; the argument is a date, which the server reads and writes anew.",
        (*CALLS, *COSTS),
        load=calls.dates,
    ),
    Row(
        "echo-all",
        "Microsoft's load: `EchoAll(DateTime)`",
        "64 clients, each with one call in flight, and each call is a broadcast to all 64. How many are delivered?",
        DELIVERED,
        load=broadcasts.everybody,
    ),
    Row(
        "broadcast",
        "Microsoft's load: `Broadcast(int)`",
        "One method sends to 64 connections as fast as it can, 5,000 messages at a time. How many are delivered?",
        DELIVERED,
        load=broadcasts.long,
    ),
    Row(
        "burst",
        "200 broadcasts in one go, to 1,000",
        "A method sends 200 messages to 1,000 connections without a pause. How many are delivered?",
        DELIVERED,
        load=broadcasts.burst,
    ),
    Row(
        "paced",
        "200 broadcasts apart, to 1,000",
        "The same, with a turn of the event loop between two messages, so that each is a write of its own.",
        DELIVERED,
        load=broadcasts.paced,
    ),
    Row(
        "streams",
        "64 token streams at full speed",
        "64 clients each read a stream of 20,000 tokens that are there at once.",
        (Column("per_second", "tokens/s"), *COSTS),
        load=streams.full_speed,
    ),
    Row(
        "paced-streams",
        "500 streams, a token every 20 ms",
        "What does it take to pass on what 500 models write, and how evenly does it arrive?",
        (
            SERVER,
            Column("gap_p50_ms", "gap p50 ms", "{:.1f}"),
            Column("gap_p99_ms", "gap p99 ms", "{:.1f}"),
            USER,
            KERNEL,
            CLIENT,
        ),
        load=streams.paced,
        more_is_better=False,
    ),
    Row(
        "viewers",
        "One answer, 1,000 viewers, a token every 7 ms",
        "What does a token cost for each viewer? Hubline has one run for all, ASP.NET Core a stream for each.",
        (TOKEN, USER, KERNEL, SERVER, CLIENT, Column("items", "items each")),
        load=runs.viewers,
        more_is_better=False,
    ),
    Row(
        "answers",
        "100 answers, each with one viewer, a token every 7 ms",
        "The same where everybody has an answer of their own.",
        (TOKEN, USER, KERNEL, SERVER, CLIENT, Column("items", "items each")),
        load=runs.alone,
        more_is_better=False,
    ),
    Row(
        "attach",
        "Coming to an answer that 1,000 watch",
        "How long until the first item is here, for one who comes late, and for 1,000 who come at once?",
        (
            Column("p99_ms", "p99 ms", "{:.1f}"),
            Column("p50_ms", "p50 ms", "{:.1f}"),
            Column("rush_p50_ms", "at once p50 ms", "{:.1f}"),
            Column("rush_p99_ms", "at once p99 ms", "{:.1f}"),
        ),
        load=runs.attaching,
        more_is_better=False,
    ),
    Row(
        "connects",
        "Connections a second",
        "64 clients open a WebSocket, shake hands and leave, again and again.",
        (Column("per_second", "connects/s"), *COSTS),
        load=connections.connects,
    ),
    Row(
        "connects-negotiated",
        "Connections a second, with negotiate",
        "The same, with a negotiate request before each.",
        (Column("per_second", "connects/s"), *COSTS),
        load=connections.negotiated,
    ),
    Row(
        "storm",
        "5,000 clients come back at once",
        "All connections are cut, and all clients open a new WebSocket at once, shake hands and make a call. Who fails "
        "tries again after 2 s. When is the last one served?",
        STORM,
        load=storms.direct,
    ),
    Row(
        "storm-negotiated",
        "5,000 clients come back at once, with negotiate",
        "The same, with a negotiate request before each, on an HTTP connection of its own.",
        STORM,
        load=storms.negotiated,
    ),
    Row(
        "sse",
        "Server-Sent Events: 200 broadcasts in one go, to 500",
        "The burst over Server-Sent Events.",
        DELIVERED,
        load=fallbacks.events,
    ),
    Row(
        "polling",
        "Long polling: a poll for each message, 500 clients",
        "Each broadcast waits until everybody has the last. `of it HTTP`: what the same server needs for a bare page.",
        (
            Column("per_second", "messages/s"),
            USER,
            KERNEL,
            Column("http_us", "of it HTTP µs", "{:.2f}"),
            SERVER,
            CLIENT,
        ),
        load=fallbacks.polling,
    ),
    Row(
        "polling-waiting",
        "Long polling: ten messages wait, 500 clients",
        "Ten broadcasts in one go, the next ten when everybody has them; a poll takes what waits.",
        DELIVERED,
        load=fallbacks.waiting,
    ),
    Row(
        "nodes",
        "Echo calls over another server, without sticky sessions",
        "64 clients negotiate at one of two servers, and send everything else to the other. What does a call cost both "
        "servers together, beside one that comes to its own? A WebSocket is served where it arrives.",
        tuple(
            Column(f"{transport}_{where}", f"{label} µs{' forwarded' if where == 'away' else ''}", "{:.1f}")
            for transport, label in (("websockets", "WebSocket"), ("events", "SSE"), ("polling", "polling"))
            for where in ("away", "here")
        ),
        once=nodes.calls,
        fresh=True,
        more_is_better=False,
    ),
    Row(
        "idle",
        "5,000 idle connections",
        "How much memory does a connection take over the empty server, and how much CPU do all take, pings included?",
        (Column("bytes_per_connection", "bytes each"), Column("server_cpu", "server's core", "{:.2%}")),
        once=connections.idle,
        fresh=True,
        more_is_better=False,
    ),
    Row(
        "cut-groups",
        "Clients that are cut: a group",
        "Two messages a second; each client is cut every 15 s and away for 2 s. What arrives, and how late?",
        CUTS,
        once=runs.cut_groups,
        fresh=True,
        more_is_better=False,
    ),
    Row(
        "cut-runs",
        "Clients that are cut: a run",
        "The same as an answer, to which they come back with the position they had.",
        CUTS,
        once=runs.cut_runs,
        fresh=True,
        more_is_better=False,
    ),
    Row(
        "cut-rooms",
        "Clients that are cut: a room",
        "The same as messages to a room, which they join again with the position they had.",
        CUTS,
        once=runs.cut_rooms,
        fresh=True,
        more_is_better=False,
    ),
    Row(
        "growth-connections",
        "µs per message, by connections",
        "Broadcasts apart from each other, to more and more connections.",
        (),
        once=growth.connections,
        more_is_better=False,
        curve="connections",
    ),
    Row(
        "growth-groups",
        "µs per message, by groups",
        "Messages to a group of 100, beside more and more other groups.",
        (),
        once=growth.groups,
        more_is_better=False,
        curve="groups",
    ),
    Row(
        "growth-size",
        "µs per message, by characters",
        "Broadcasts apart from each other to 100 connections, larger and larger.",
        (),
        once=growth.size,
        more_is_better=False,
        curve="characters",
    ),
    *BACKPLANE,
)


SERVERS = tuple(row.key for row in BACKPLANE)
"""What is measured with several servers."""

QUICK = (
    "calls",
    "burst",
    "paced",
    "streams",
    "paced-streams",
    "connects",
    "storm",
    "sse",
    "polling",
    "idle",
    "viewers",
    "cut-runs",
    "backplane-hop",
)
"""What is measured in a quick run where no row is named."""


def named(keys: Iterable[str]) -> list[Row]:
    """The rows with these keys, all without any.

    Raises:
        KeyError: there is no such row.
    """
    known = {row.key: row for row in ROWS}
    return [known[key] for key in keys] or list(ROWS)
