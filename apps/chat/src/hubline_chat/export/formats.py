"""The forms of an exported room, one message after the other: JSON and Markdown."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol
from urllib.parse import quote

from hubline_chat.attached import File
from hubline_chat.contract import AnswerState, Message

ENDS = {
    AnswerState.RUNNING: "still being written",
    AnswerState.STOPPED: "stopped",
    AnswerState.FAILED: "failed",
    AnswerState.INTERRUPTED: "broke off",
    AnswerState.LIMITED: "came to a limit",
}
"""How answers are that have not completed."""
_BREAK = re.compile(r"\r\n?|\n")
"""What ends a line in Markdown. Models write more than the messages of people have."""
_MARKUP = re.compile(r"([\\`*_\[\]<>#|~])")


@dataclass(frozen=True, slots=True)
class Exported:
    """A room that is exported. `base`: the address of the chat, without a slash at its end, for links to files."""

    id: str
    name: str
    topic: str
    by: str
    at: datetime
    base: str

    def link(self, file: File) -> str:
        """For those who may read the room, while the message exists."""
        return f"{self.base}/api/files/{file.id}/{quote(file.name, safe='')}"


class Format(Protocol):
    """How a file begins, what it has of each message, and how it ends."""

    media_type: str
    suffix: str

    def begin(self) -> str: ...

    def message(self, message: Message) -> str: ...

    def end(self) -> str: ...


class JsonFormat:
    """One object; each message on a line."""

    media_type, suffix = "application/json", "json"

    def __init__(self, room: Exported) -> None:
        self._room = room
        self._separator = ""

    def begin(self) -> str:
        room = {"id": self._room.id, "name": self._room.name, "topic": self._room.topic}
        head = {"room": room, "exportedAt": self._room.at.isoformat(), "exportedBy": self._room.by}
        return _json(head)[:-1] + ', "messages": ['

    def message(self, message: Message) -> str:
        separator, self._separator = self._separator or "\n", ",\n"
        return separator + _json({name: value for name, value in self._values(message).items() if value is not None})

    def end(self) -> str:
        return "\n]}\n"

    def _values(self, message: Message) -> dict[str, object]:
        answer, reply = message.answer, message.quote
        return {
            "id": message.id,
            "seq": message.seq,
            "kind": message.kind,
            "author": {"id": message.author.id, "name": message.author.name},
            "sentAt": message.sent_at.isoformat(),
            "editedAt": None if message.edited_at is None else message.edited_at.isoformat(),
            "text": message.text,
            "replyTo": None if reply is None or reply.is_deleted else {"id": reply.id, "author": reply.author_name},
            "answer": None
            if answer is None
            else {
                "state": answer.state,
                "askedBy": answer.asked_by.name,
                "questionId": answer.question_id,
                "model": answer.model,
            },
            "files": [
                {"name": file.name, "type": file.type, "size": file.size, "url": self._room.link(file)}
                for file in message.files
            ]
            or None,
            "reactions": [
                {"emoji": each.emoji, "people": [person.name for person in each.people]} for each in message.reactions
            ]
            or None,
        }


class MarkdownFormat:
    """A heading for each day, and each message as a quotation, out of which no markup of its text reaches."""

    media_type, suffix = "text/markdown; charset=utf-8", "md"

    def __init__(self, room: Exported) -> None:
        self._room = room
        self._day: date | None = None

    def begin(self) -> str:
        topic = f"{_escaped(self._room.topic)}\n\n" if self._room.topic else ""
        exported = f"Exported by {_escaped(self._room.by)} on {_minute(self._room.at)}. All times are UTC."
        return f"# {_escaped(self._room.name)}\n\n{topic}{exported}\n"

    def message(self, message: Message) -> str:
        day = message.sent_at.date()
        heading = "" if day == self._day else f"\n## {day.isoformat()}\n"
        self._day = day
        return heading + "".join(f"\n{part}\n" for part in (self._head(message), *self._parts(message)))

    def end(self) -> str:
        return ""

    def _head(self, message: Message) -> str:
        notes = [message.sent_at.strftime("%H:%M")]
        if message.edited_at is not None:
            notes.append("edited")
        if message.answer is not None:
            notes.append(f"to {_escaped(message.answer.asked_by.name)}")
            notes += [ENDS[message.answer.state]] if message.answer.state in ENDS else []
        return f"**{_escaped(message.author.name)}** · {' · '.join(notes)}"

    def _parts(self, message: Message) -> Iterator[str]:
        """Each is a block of its own, so that an open fence in a text takes in nothing that stands below it."""
        quoted = []
        if message.quote is not None and not message.quote.is_deleted:
            quoted.append(_quotation(f"**{_escaped(message.quote.author_name)}**: {_escaped(message.quote.text)}"))
        if message.text:
            quoted.append(message.text)
        if quoted:
            yield _quotation("\n\n".join(quoted))
        if message.files:
            yield "\n".join(
                f"- [{_escaped(each.name)}]({self._room.link(each)}) ({each.size:,} bytes)" for each in message.files
            )
        if message.reactions:
            yield " · ".join(
                f"{each.emoji} {_escaped(', '.join(person.name for person in each.people))}"
                for each in message.reactions
            )


def _json(values: Mapping[str, object]) -> str:
    return json.dumps(values, ensure_ascii=False)


def _quotation(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in _BREAK.split(text))


def _escaped(text: str) -> str:
    """A text on one line in which nothing is markup."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


FORMATS: dict[str, type[JsonFormat] | type[MarkdownFormat]] = {"json": JsonFormat, "markdown": MarkdownFormat}
