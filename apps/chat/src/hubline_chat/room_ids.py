"""Readable ids of rooms, for addresses."""

import re
import unicodedata
from collections.abc import Container

SLUG_LENGTH = 40


def free_id(name: str, taken: Container[str]) -> str:
    """The name's Latin letters and digits, with a number where that is taken."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_name).strip("-")[:SLUG_LENGTH] or "room"
    number = 1
    while (room_id := slug if number == 1 else f"{slug}-{number}") in taken:
        number += 1
    return room_id
