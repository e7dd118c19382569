"""What a file is, by its content. What a browser says of it is not believed."""

import codecs
import re
import unicodedata
import warnings
from dataclasses import dataclass
from io import BytesIO
from mimetypes import guess_type
from pathlib import Path

from PIL import Image

from hubline_chat.limits import one_line

NAME_LENGTH = 120
BINARY = "application/octet-stream"
IMAGES = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp", "AVIF": "image/avif"}
"""Formats that are shown in a page, by their names in Pillow."""
MODEL_PIXELS, MODEL_TYPE = 1_568, "image/jpeg"
"""The longest side of an image for a model, and its type. Providers shrink larger ones themselves."""
_TEXTS = frozenset({"application/json", "application/xml", "application/javascript", "image/svg+xml"})
_TURNED = range(5, 9)
"""Orientations in EXIF with which width and height are exchanged."""
_ORIENTATION = 0x0112


@dataclass(frozen=True, slots=True)
class Kind:
    """`width` and `height` are those that an image is shown with, in pixels."""

    type: str
    width: int | None = None
    height: int | None = None


def is_image(kind: str) -> bool:
    """Whether a file of this type is shown in the page."""
    return kind in IMAGES.values()


def is_text(kind: str) -> bool:
    return kind.startswith("text/") or kind in _TEXTS


def kind_of(path: Path, name: str) -> Kind:
    """What a file is. Blocks: it reads up to all of the file. `name` tells kinds of text, and of what is unknown."""
    image = _image(path)
    if image is not None:
        return image
    with path.open("rb") as file:
        if file.read(5) == b"%PDF-":
            return Kind("application/pdf")
    by_name = guess_type(name)[0] or BINARY
    if _is_utf8(path):
        return Kind(by_name if is_text(by_name) else "text/plain")
    return Kind(BINARY if is_text(by_name) or by_name.startswith("image/") else by_name)


def clean_file_name(name: str) -> str:
    """The last part of a name, on one line, without invisible characters; shortened before its ending."""
    name = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    name = one_line(name).strip(". ")
    if len(name) > NAME_LENGTH:
        stem, dot, ending = name.rpartition(".")
        end = dot + ending if stem and len(ending) < 12 else ""
        name = name[: NAME_LENGTH - len(end) - 1] + "…" + end
    return name or "file"


def for_model(data: bytes) -> bytes:
    """An image as models take it: upright, on white, not too large. Blocks. Raises OSError or ValueError."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(BytesIO(data), formats=tuple(IMAGES)) as image:
            turn = image.getexif().get(_ORIENTATION, 1)
            image.draft("RGB", (MODEL_PIXELS, MODEL_PIXELS))
            image.thumbnail((MODEL_PIXELS, MODEL_PIXELS))
            shown = image.convert("RGBA")
    for orientation, method in _TURNS.items():
        if turn == orientation:
            shown = shown.transpose(method)
    upright = Image.new("RGB", shown.size, "white")
    upright.paste(shown, mask=shown)
    written = BytesIO()
    upright.save(written, "JPEG", quality=85)
    return written.getvalue()


_TURNS = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_270, 8: Image.Transpose.ROTATE_90}


def _image(path: Path) -> Kind | None:
    """An image that browsers show; its pixels are not read."""
    try:
        with Image.open(path, formats=tuple(IMAGES)) as image:
            width, height = image.size
            # That of the base class: the one for PNG reads the pixels, of which a small file can have a gigabyte.
            is_turned = Image.Image.getexif(image).get(_ORIENTATION) in _TURNED
            kind = IMAGES[image.format or ""]
    except Exception:  # of a decoder, whatever the file has: each format raises errors of its own
        return None
    return Kind(kind, height, width) if is_turned else Kind(kind, width, height)


def _is_utf8(path: Path) -> bool:
    """Whether it is text in UTF-8, without control characters that texts do not have."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                if b"\0" in chunk:
                    return False
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
