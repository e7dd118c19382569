"""What hangs on messages: files, the message that one replies to, and reactions. Parts of `contract`."""

from dataclasses import dataclass, field, replace

EXCERPT_LENGTH = 200
"""Characters of a message in a reply to it."""
EMOJI = (
    *("👍", "👎", "❤️", "😂", "🎉", "😮", "😢", "🙏"),
    *("👀", "✅", "❌", "🔥", "🚀", "👏", "💯", "🤔"),
    *("😄", "😅", "🙂", "😉", "😍", "😎", "😴", "😡"),
    *("👋", "💪", "🤝", "💡", "⭐", "⏳", "☕", "🐛"),
)
"""Those that people react with; `reactions.ts` of the page has the same."""
FILE_WEIGHT, REACTION_WEIGHT = 200, 60
"""Characters of a file's description, and of a person's reaction."""
REACTIONS = 500
"""Of one message, all people and emoji together."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of a message, at `/api/files/{id}/{name}`. `size` is in bytes.

    `width` and `height`: of an image that pages show, in pixels.
    """

    id: str
    name: str
    type: str
    size: int
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class Quote:
    """The message that another one replies to, as it is now. Of a deleted one only its number is left."""

    seq: int
    id: str = ""
    author_id: str = ""
    author_name: str = ""
    text: str = ""
    is_deleted: bool = False


@dataclass(frozen=True, slots=True)
class Reactor:
    """A person who has reacted."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Reaction:
    """One emoji of a message, with those who have chosen it, the first one first."""

    emoji: str
    people: list[Reactor] = field(default_factory=list)


def excerpt(text: str, files: list[File]) -> str:
    """The beginning of a message for a reply to it."""
    text = " ".join(text[: 2 * EXCERPT_LENGTH].split()) or ", ".join(file.name for file in files)
    return text if len(text) <= EXCERPT_LENGTH else text[: EXCERPT_LENGTH - 1] + "…"


def with_reaction(reactions: list[Reaction], emoji: str, by: Reactor, *, is_on: bool) -> list[Reaction]:
    """The reactions after a person has chosen an emoji, or has taken it back. Those that nobody has are left out."""
    found, changed = False, []
    for each in reactions:
        people = each.people
        if each.emoji == emoji:
            found = True
            people = [person for person in people if person.id != by.id] if not is_on else people
            if is_on and all(person.id != by.id for person in people):
                people = [*people, by]
        if people:
            changed.append(replace(each, people=people))
    return changed if found or not is_on else [*changed, Reaction(emoji, [by])]
