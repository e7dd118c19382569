import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from hubline import Cancellation, Depends, Hub, HubApp, HubOptions, authorize, hidden, hub_method
from hubline.contract.document import contract
from hubline.contract.python import python
from hubline.rooms import Rooms, RoomsHub, anyone
from hubline.runs import RunsHub


@dataclass
class Note:
    note_text: str


def given() -> int:
    return 1


class NoteClient(Protocol):
    async def show_note(self, new_note: Note) -> None:
        """Shows it."""

    async def confirm(self, question: str) -> bool: ...


@authorize
class NoteHub(Hub[NoteClient]):
    def __init__(self, store: object) -> None:
        self._store = store

    async def add_note(self, note: Note, at_place: int = 0) -> Note:
        """Add a note."""
        return note

    @authorize(roles="admin")
    async def notes(self) -> AsyncIterator[Note]:
        yield Note("")

    async def upload(
        self,
        name: str,
        lines: AsyncIterator[str],
        stop: Cancellation,
        store: Annotated[int, Depends(given)],
        limit: int = 1,
    ) -> None: ...

    def untyped(self, value, other=None):  # type: ignore[no-untyped-def]
        return value

    @hub_method(name="renamed")
    async def other(self) -> Any: ...

    @hidden
    async def private(self) -> None: ...


class Confirm(Hub[NoteClient]):
    async def confirm(self) -> None: ...


def make() -> NoteHub:
    return NoteHub(object())


def described(app: HubApp, prefix: str = "") -> dict[str, Any]:
    return contract([(prefix + hub.path, hub) for hub in app.describe()], title="notes")


def operation(document: dict[str, Any], name: str) -> tuple[str, Any, Any, Any]:
    """Action, `x-signalr`, payload and the payload of the reply."""
    found = document["operations"][name]
    channel = document["channels"][found["channel"]["$ref"].rpartition("/")[2]]
    payloads = [
        channel["messages"][reference["$ref"].rpartition("/")[2]]["payload"]
        for reference in (*found["messages"], *found.get("reply", {}).get("messages", ()))
    ]
    return found["action"], found["x-signalr"], payloads[0], payloads[1] if len(payloads) > 1 else None


DOCUMENT = described(HubApp({"/live/notes": make}))


def test_methods_have_their_names_on_the_wire_and_only_what_clients_give() -> None:
    assert list(DOCUMENT["operations"]) == [
        f"live_notes.{name}" for name in ("AddNote", "Notes", "Untyped", "Upload", "renamed", "Confirm", "ShowNote")
    ]
    assert operation(DOCUMENT, "live_notes.AddNote") == (
        "receive",
        {
            "kind": "call",
            "parameters": [{"name": "note", "required": True}, {"name": "atPlace", "required": False}],
        },
        {
            "type": "array",
            "minItems": 1,
            "maxItems": 2,
            "items": [{"$ref": "#/components/schemas/Note"}, {"type": "integer"}],
        },
        {"$ref": "#/components/schemas/Note"},
    )
    assert DOCUMENT["components"]["schemas"]["Note"]["properties"] == {"noteText": {"type": "string"}}
    assert DOCUMENT["operations"]["live_notes.AddNote"]["description"] == "Add a note."


def test_streams_uploads_and_methods_without_hints() -> None:
    _, signalr, _, item = operation(DOCUMENT, "live_notes.Notes")
    assert (signalr["kind"], signalr["authorize"], item) == (
        "stream",
        ["role admin"],
        {"$ref": "#/components/schemas/Note"},
    )
    _, signalr, payload, _ = operation(DOCUMENT, "live_notes.Upload")
    assert signalr["parameters"] == [
        {"name": "name", "required": True},
        {"name": "lines", "stream": {"type": "string"}},
        {"name": "limit", "required": False},
    ]
    assert payload["items"] == [{"type": "string"}, {"type": "integer"}]
    _, _, payload, result = operation(DOCUMENT, "live_notes.Untyped")
    assert (payload["items"], result) == ([{}, {}], {})


def test_what_the_server_calls() -> None:
    assert operation(DOCUMENT, "live_notes.ShowNote") == (
        "send",
        {"kind": "clientCall", "parameters": [{"name": "newNote", "required": True}]},
        {"type": "array", "minItems": 1, "maxItems": 1, "items": [{"$ref": "#/components/schemas/Note"}]},
        None,
    )
    assert operation(DOCUMENT, "live_notes.Confirm")[3] == {"type": "boolean"}


class RoomClient(Protocol):
    async def room_gap(self, room: str, mine: int) -> None: ...


class Kitchen(RoomsHub[RoomClient], RunsHub[RoomClient], rooms=Rooms(anyone)):
    pass


def test_what_rooms_call_is_there_with_its_types_and_the_applications_own_is_not_replaced() -> None:
    document = described(HubApp({"/": Kitchen}))
    signalr = {"kind": "clientCall", "parameters": [{"name": name, "required": True} for name in ("room", "message")]}
    message = {"type": "array", "minItems": 2, "maxItems": 2}
    items = [{"type": "string"}, {"$ref": "#/components/schemas/RoomMessage"}]
    expected = ("send", {**signalr, "by": "RoomsHub"}, {**message, "items": items}, None)
    assert operation(document, "root.RoomMessage") == expected
    assert operation(document, "root.RoomGap")[2]["items"] == [{"type": "string"}, {"type": "integer"}]
    assert "by" not in operation(document, "root.RoomGap")[1]
    assert operation(document, "root.JoinRoom")[3] == {"$ref": "#/components/schemas/RoomJoined"}
    assert operation(document, "root.RunInfo")[3] == {"$ref": "#/components/schemas/RunInfo"}
    assert operation(document, "root.AttachRun")[3] == {"$ref": "#/components/schemas/RunItem"}


def test_a_handler_in_python_needs_nothing_of_rooms_because_join_room_hears_it() -> None:
    text = python(described(HubApp({"/": Kitchen})))
    assert "room_gap" in text
    assert "room_message" not in text
    assert "-> RoomJoined" in text


def test_a_method_and_a_call_may_have_the_same_name() -> None:
    document = described(HubApp({"/": Confirm}))
    assert operation(document, "root.Confirm")[0] == "receive"
    assert operation(document, "root.client.Confirm")[0] == "send"
    assert document["channels"]["root"]["messages"]["client.Confirm"]["name"] == "Confirm"


class Named(Hub[NoteClient]):
    async def confirm(self) -> None: ...

    @hub_method(name="Confirm.result")
    async def one(self) -> int:
        return 1

    @hub_method(name="client.Confirm")
    async def two(self) -> str:
        return ""

    @hub_method(name="a/b~c d")
    async def three(self) -> bool:
        return True


def test_methods_may_have_any_name() -> None:
    document = described(HubApp({"/": Named}))
    messages = document["channels"]["root"]["messages"]
    kinds = {}
    for each in document["operations"].values():
        key = each["messages"][0]["$ref"].rpartition("/")[2]
        reply = each.get("reply", {"messages": [{"$ref": ""}]})["messages"][0]["$ref"].rpartition("/")[2]
        kinds[each["action"], messages[key]["name"]] = messages[reply]["payload"].get("type") if reply else None
    assert all(
        re.fullmatch(r"[\w.-]+", key, re.ASCII) for key in (*messages, *document["operations"])
    )  # AsyncAPI's rule
    assert kinds == {
        ("receive", "Confirm"): "null",
        ("receive", "Confirm.result"): "integer",
        ("receive", "client.Confirm"): "string",
        ("receive", "a/b~c d"): "boolean",
        ("send", "Confirm"): "boolean",
        ("send", "ShowNote"): None,
    }


def test_paths_are_in_order_and_their_names_differ() -> None:
    document = described(HubApp({"/b": Confirm, "/a.b": Confirm, "/a/b": Confirm}), "/x")
    assert [(name, channel["address"]) for name, channel in document["channels"].items()] == [
        ("x_a_b", "/x/a.b"),
        ("x_a_b_", "/x/a/b"),
        ("x_b", "/x/b"),
    ]
    assert document["channels"]["x_b"]["x-signalr"] == {"hub": "Confirm"}


def test_the_names_of_fields_follow_the_options() -> None:
    document = described(HubApp({"/notes": make}, options=HubOptions(field_names="as_written")))
    assert set(document["components"]["schemas"]["Note"]["properties"]) == {"note_text"}


def test_every_reference_leads_somewhere_and_the_text_is_the_same_each_time() -> None:
    text = json.dumps(DOCUMENT)
    assert text == json.dumps(described(HubApp({"/live/notes": make})))
    for reference in {part.partition('"')[0] for part in text.split('"$ref": "#/')[1:]}:
        found = DOCUMENT
        for word in reference.split("/"):
            found = found[word]


def test_a_hub_that_needs_a_user_says_so() -> None:
    assert DOCUMENT["channels"]["live_notes"]["x-signalr"] == {"hub": "NoteHub", "authorize": ["any user"]}
