"""What people may send, checked before anything is done with it. Every refusal is a sentence to show."""

import unicodedata

from hubline import HubError

NAME_LENGTH = 40
MESSAGE_LENGTH = 4_000
ID_LENGTHS = range(1, 65)

_JOINERS = "\u200c\u200d"  # invisible, and part of emoji and of several scripts
_LINE_BREAKS = "\n\t"


def clean_name(name: str, *, whose: str) -> str:
    """A name on one line, without what cannot be seen. `whose` begins the sentence of a refusal ("Your name")."""
    name = " ".join(unicodedata.normalize("NFC", name).split())
    if not name:
        raise HubError(f"{whose} is empty.")
    if len(name) > NAME_LENGTH:
        raise HubError(f"{whose} has {len(name)} characters; {NAME_LENGTH} are allowed.")
    if any(_is_invisible(character) and character not in _JOINERS for character in name):
        raise HubError(f"{whose} contains characters that cannot be seen.")
    return name


def clean_text(text: str) -> str:
    """A message without control characters and trailing space."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = "".join(c for c in text if c in _LINE_BREAKS or unicodedata.category(c) not in ("Cc", "Cs")).rstrip()
    if not text.strip():
        raise HubError("The message is empty.")
    if len(text) > MESSAGE_LENGTH:
        raise HubError(f"The message has {len(text):,} characters; {MESSAGE_LENGTH:,} are allowed.")
    return text


def storable(text: str) -> str:
    """What a model says, without the characters that no database and no encoding takes."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def check_id(value: str) -> None:
    """An id that a page has made."""
    if len(value) not in ID_LENGTHS or not value.isprintable():
        raise HubError("The message's id is not valid.")


def _is_invisible(character: str) -> bool:
    """Control, format, surrogate and private characters: those that turn the direction of text are among them."""
    return unicodedata.category(character).startswith("C")
