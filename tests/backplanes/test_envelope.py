"""What servers say to each other, to the byte: the vectors of the specification, and what two .NET servers said."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hubline.backplanes.envelope import (
    ADD,
    REMOVE,
    Acknowledgement,
    Channels,
    CompletionEnvelope,
    GroupCommand,
    InvocationEnvelope,
    read,
)
from hubline.errors import BackplaneError
from hubline.wire.json import JsonCodec
from hubline.wire.messages import Invocation
from hubline.wire.msgpack import MessagePackCodec

RECORDED = json.loads((Path(__file__).parent.parent / "vectors" / "transcript-redis.json").read_text("utf-8"))
TWO = {"p1": b"\x2a", "p2": b"\x2a"}


def published() -> Iterator[tuple[str, bytes]]:
    for entry in RECORDED["traffic"]:
        if "hex" in entry:
            yield entry["published"], bytes.fromhex(entry["hex"])


def kind_of(channel: str) -> Any:
    kinds = {"internal:groups": GroupCommand, "internal:ack": Acknowledgement, "internal:return": CompletionEnvelope}
    return next((kind for name, kind in kinds.items() if name in channel), InvocationEnvelope)


@pytest.mark.statement(188)
@pytest.mark.parametrize(
    ("value", "payload"),
    [
        (Acknowledgement(0), "91 00"),
        (Acknowledgement(42), "91 2A"),
        (Acknowledgement(180), "91 CC B4"),
        (Acknowledgement(384), "91 CD 01 80"),
        (Acknowledgement(70000), "91 CE 00 01 11 70"),
        (GroupCommand(42, "S", ADD, "G", "C"), "95 2A A1 53 01 A1 47 A1 43"),
        (GroupCommand(42, "S", REMOVE, "G", "C"), "95 2A A1 53 02 A1 47 A1 43"),
        (InvocationEnvelope((), TWO), "92 90 82 A2 70 31 C4 01 2A A2 70 32 C4 01 2A"),
        (InvocationEnvelope(("a",), TWO), "92 91 A1 61 82 A2 70 31 C4 01 2A A2 70 32 C4 01 2A"),
        (InvocationEnvelope((), {}, "i", "r"), "94 90 80 A1 69 A1 72"),
        (InvocationEnvelope((), {}, key="k"), "95 90 80 C0 C0 A1 6B"),
        (InvocationEnvelope((), {}, origin="o"), "96 90 80 C0 C0 C0 A1 6F"),
        (CompletionEnvelope("json", b"\x2a"), "92 A4 6A 73 6F 6E C4 01 2A"),
    ],
    ids=str,
)
def test_vectors(value: Any, payload: str) -> None:
    assert value.encode() == bytes.fromhex(payload)
    assert read(type(value), bytes.fromhex(payload)) == value


@pytest.mark.statement(188)
def test_a_call_of_both_codecs() -> None:
    call = Invocation(target="m", arguments=())
    packets = {codec.name: codec.encode(call) for codec in (JsonCodec(), MessagePackCodec())}
    assert InvocationEnvelope((), packets).encode() == bytes.fromhex(
        "929082a46a736f6ec4277b2274797065223a312c22746172676574223a226d222c22617267756d656e7473223a5b5d7d1e"
        "ab6d6573736167657061636bc4090896018" + "0c0a16d9090"
    )


@pytest.mark.statement(188)
def test_everything_that_two_servers_of_the_original_said_is_read_and_written_alike() -> None:
    seen = set()
    for channel, payload in published():
        kind = kind_of(channel)
        assert read(kind, payload).encode() == payload
        seen.add(kind)
    assert seen == {InvocationEnvelope, GroupCommand, Acknowledgement, CompletionEnvelope}


@pytest.mark.statement(188)
def test_names_of_channels_are_those_that_the_original_used() -> None:
    names, server = Channels("ReferenceHub"), "vm_bd41e1ea1eca47c78152d1956093c57d"
    used = {entry.get("channel") or entry["published"] for entry in RECORDED["traffic"]}
    ours = {
        *[names.all, names.group_commands, names.acknowledgements(server), names.results(server)],
        *[names.group(group) for group in "ghk"],
        *[names.connection(each) for each in (*RECORDED["connections"].values(), "nobody")],
        names.user("alice"),
    }
    assert used == ours


@pytest.mark.statement(189)
def test_items_that_are_not_known_are_ignored() -> None:
    assert read(Acknowledgement, bytes.fromhex("93 2A C0 90")) == Acknowledgement(42)
    assert read(GroupCommand, bytes.fromhex("96 2A A1 53 01 A1 47 A1 43 C0")) == GroupCommand(42, "S", ADD, "G", "C")
    longer = bytes.fromhex("97 90 80 A1 69 A1 72 C0 C0 05")
    assert read(InvocationEnvelope, longer) == InvocationEnvelope((), {}, "i", "r")


@pytest.mark.statement(189)
@pytest.mark.parametrize(
    ("kind", "payload", "name"),
    [
        (InvocationEnvelope, "91 90", "Invocation"),
        (GroupCommand, "94 2A A1 53 01 A1 47", "GroupCommand"),
        (Acknowledgement, "90", "Ack"),
        (CompletionEnvelope, "91 A1 61", "Completion"),
    ],
)
def test_an_array_that_is_too_short_is_refused(kind: Any, payload: str, name: str) -> None:
    with pytest.raises(BackplaneError, match=f"^Insufficient items in {name} array.$"):
        read(kind, bytes.fromhex(payload))


@pytest.mark.parametrize("payload", ["", "C1", "2A", "80", "92 C3 80", "92 90 81 01 C4 00", "91 A1 FF", "92 90 82"])
def test_what_is_no_message_is_refused(payload: str) -> None:
    kinds: tuple[Any, ...] = (InvocationEnvelope, GroupCommand, Acknowledgement, CompletionEnvelope)
    for kind in kinds:
        with pytest.raises(BackplaneError, match=r"not a|Insufficient items"):
            read(kind, bytes.fromhex(payload))
