"""What a message costs as connections, groups and sizes grow, in µs of server CPU per delivery."""

from benchmarks.rows.broadcasts import measure
from benchmarks.rows.measuring import Bench, Figures, delivered
from hubline.cli.load import Connection

MEMBERS = 100
"""Connections in the group that is sent to."""


async def connections(bench: Bench) -> Figures:
    """Broadcasts apart from each other, to more and more."""
    found: Figures = {}
    for count in bench.settings.growth_connections:
        everybody = await bench.connect(count)
        messages = max(bench.settings.growth_deliveries // count, 3)
        found[str(count)] = _cost(await measure(bench, everybody, "BroadcastApart", messages=messages))
    return found


async def size(bench: Bench) -> Figures:
    """Broadcasts apart from each other, of larger and larger messages, to a hundred."""
    found: Figures = {}
    everybody = await bench.connect(min(bench.settings.recipients, MEMBERS))
    for characters in bench.settings.growth_sizes:
        messages = max(min(bench.settings.growth_deliveries // len(everybody), 4_000_000 // characters), 3)
        figures = await measure(bench, everybody, "BroadcastApart", messages=messages, size=characters)
        found[str(characters)] = _cost(figures)
    return found


async def groups(bench: Bench) -> Figures:
    """Messages to one group of a hundred, beside more and more groups that the connections are in.

    Each is asked for when the one before has been sent: no server can join what it is to send.
    """
    found: Figures = {}
    everybody = await bench.connect(bench.settings.recipients)
    members = everybody[:MEMBERS]
    await _join(members, ["bench"] * len(members))
    made = 1
    for count in bench.settings.growth_groups:
        names = [f"group-{number}" for number in range(made, count)]
        made = max(made, count)
        await _join([everybody[number % len(everybody)] for number in range(len(names))], names)
        messages = max(bench.settings.growth_deliveries // len(members), 3)
        await _to_group(bench, members, min(messages, 5))
        found[str(count)] = _cost(await _to_group(bench, members, messages))
    return found


async def _to_group(bench: Bench, members: list[Connection], messages: int) -> Figures:
    control = members[0]
    text = "x" * bench.settings.message_size

    async def send() -> None:
        for _ in range(messages):
            await control.call("ToGroup", "bench", text)

    return await delivered(bench, members, messages, send(), control)


async def _join(joining: list[Connection], names: list[str]) -> None:
    for connection, name in zip(joining, names, strict=True):
        connection.send(connection.dialect.call("", "Join", [name]))
    for connection in dict.fromkeys(joining):
        await connection.call("EchoText", "joined")


def _cost(figures: Figures) -> float:
    return figures["user_us"] + figures["kernel_us"]
