"""The cost of a message as connections, groups and sizes grow, in µs of server CPU per delivery."""

from benchmarks.rows.broadcasts import sending
from benchmarks.rows.measuring import Bench, Figures, Pace, Run, Warm, repeated
from hubline.cli.load import Connection

MEMBERS = 100
"""Connections in the group that is sent to."""
AT_ONCE = 500
"""Messages that one call asks for at the most."""
CHARACTERS = 4_000_000
"""What these have together at the most."""
DELIVERIES = 50_000
"""How often they are delivered together at the most; but three of them are always sent."""


async def connections(bench: Bench, warm: Warm) -> Figures:
    """Broadcasts apart from each other, to more and more."""
    found: Figures = {}
    for count in bench.settings.growth_connections:
        everybody = await bench.connect(count)
        run = sending(bench, everybody, "BroadcastApart", max(DELIVERIES // count, 3), bench.settings.message_size)
        found[str(count)] = await _cost(bench, run, None if found else warm)
    await bench.connect(0)
    return found


async def size(bench: Bench, warm: Warm) -> Figures:
    """Broadcasts apart from each other, of larger and larger messages, to a hundred."""
    found: Figures = {}
    everybody = await bench.connect(min(bench.settings.recipients, MEMBERS))
    for characters in bench.settings.growth_sizes:
        most = max(min(AT_ONCE, CHARACTERS // characters), 3)
        run = sending(bench, everybody, "BroadcastApart", most, characters)
        found[str(characters)] = await _cost(bench, run, None if found else warm)
    await bench.connect(0)
    return found


async def groups(bench: Bench, warm: Warm) -> Figures:
    """Messages to one group of a hundred, beside more and more groups that the connections are in.

    Each is requested when the one before has been sent, so that a server cannot join them.
    """
    found: Figures = {}
    everybody = await bench.connect(bench.settings.recipients)
    members = everybody[:MEMBERS]
    await _join(members, ["bench"] * len(members))
    run, made = _to_group(bench, members), 1
    for count in bench.settings.growth_groups:
        names = [f"group-{number}" for number in range(made, count)]
        made = max(made, count)
        await _join([everybody[number % len(everybody)] for number in range(len(names))], names)
        found[str(count)] = await _cost(bench, run, None if found else warm)
    await bench.connect(0)
    return found


def _to_group(bench: Bench, members: list[Connection]) -> Run:
    pace, text = Pace(AT_ONCE), "x" * bench.settings.message_size

    async def go(messages: int) -> None:
        for _ in range(messages):
            await members[0].call("ToGroup", "bench", text)

    async def run(seconds: float) -> Figures:
        return await repeated(bench, members, seconds, pace, go)

    return run


async def _join(joining: list[Connection], names: list[str]) -> None:
    for connection, name in zip(joining, names, strict=True):
        connection.send(connection.dialect.call("", "Join", [name]))
    for connection in dict.fromkeys(joining):
        await connection.call("EchoText", "joined")


async def _cost(bench: Bench, run: Run, warm: Warm | None) -> float:
    """Of one point; the first one is where the server is warmed."""
    if warm is not None:
        await warm(run)
    await run(bench.settings.again)
    figures = await run(bench.settings.growth_seconds)
    return figures["user_us"] + figures["kernel_us"]
