"""The rows of several servers that share a Redis, and the recovery of all from its restart."""

from benchmarks.rows import backplane, fleets
from benchmarks.rows.row import CALLS, CLIENT, KERNEL, SERVER, USER, Column, Row

REDIS = Column("redis_us", "of it Redis µs", "{:.2f}")
COSTS = (USER, KERNEL, REDIS, SERVER, CLIENT)
DELIVERED = (Column("per_second", "messages/s"), *COSTS)

BACKPLANE: tuple[Row, ...] = (
    Row(
        "backplane-one",
        "Two servers: 200 broadcasts to 1,000 on the other",
        "A method on one server sends 200 messages, each when Redis has the one before, to 1,000 connections of the "
        "other. How many are delivered?",
        DELIVERED,
        load=backplane.to_one_server,
        backplane=True,
    ),
    Row(
        "backplane-many",
        "Two servers: 64 who speak to all",
        "64 clients, 32 on each server, each with one call in flight, and each call is a broadcast to all 64.",
        DELIVERED,
        load=backplane.everybody,
        backplane=True,
    ),
    Row(
        "backplane-hop",
        "Two servers: to one who is on the other",
        "64 clients of one server, each with one call in flight, and each call is a message to a group whose one "
        "member is on the other server. What does the way through Redis cost, from the call to the client?",
        DELIVERED,
        load=backplane.one_hop,
        backplane=True,
    ),
    Row(
        "backplane-results",
        "Two servers: a client that is asked",
        "64 clients of one server, each with one call in flight, and each call asks a client of the other server and "
        "returns its answer.",
        (*CALLS[:1], *COSTS),
        load=backplane.results,
        backplane=True,
    ),
    Row(
        "backplane-calls",
        "Two servers: echo calls",
        "Calls as in the first row, to 32 clients on each server, which need no backplane and have one.",
        (*CALLS, *COSTS),
        load=backplane.calls,
        backplane=True,
    ),
    Row(
        "backplane-streams",
        "Two servers: 64 token streams at full speed",
        "The same for streams, 32 on each server.",
        (Column("per_second", "tokens/s"), *COSTS),
        load=backplane.streams,
        backplane=True,
    ),
    Row(
        "growth-servers",
        "µs per message, by servers",
        "Messages to a group of 100, spread over more and more servers: CPU of all of them and of Redis, for each "
        "delivered message.",
        (),
        once=fleets.growth,
        more_is_better=False,
        backplane=True,
        curve="servers",
    ),
    Row(
        "growth-redis",
        "µs of Redis per published message, by servers that hear it",
        "The same, and only Redis, for each message that is sent, whoever gets it.",
        (),
        once=fleets.redis_growth,
        more_is_better=False,
        backplane=True,
        curve="servers",
    ),
    Row(
        "recovery",
        "Redis is killed and started again, with 5,000 connections",
        "Two servers, 5,000 connections in 100 groups. How long, from when Redis takes connections again, until "
        "everybody has heard a message to their group? And what has a connection that joins a group cost before that?",
        (
            Column("after_s", "all hear after s", "{:.2f}"),
            Column("away_s", "Redis away s", "{:.2f}"),
            Column("gaps", "servers that tell of a gap"),
            Column("gap_s", "of s", "{:.2f}"),
            Column("server_bytes", "a connection: bytes"),
            Column("redis_bytes", "bytes in Redis"),
            Column("connect_us", "to connect µs"),
            Column("connect_redis_us", "in Redis µs", "{:.1f}"),
        ),
        once=fleets.recovery,
        fresh=True,
        more_is_better=False,
        backplane=True,
    ),
)
