"""What a file is, by its content."""

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from apps.chat.tests.files.test_files import picture
from hubline_chat.files.kinds import Kind, clean_file_name, for_model, kind_of


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return picture(30, 20, "JPEG", exif=exif)


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.txt", picture(), Kind("image/png", 30, 20)),
        ("a.webp", picture(form="WEBP"), Kind("image/webp", 30, 20)),
        ("a.gif", picture(form="GIF"), Kind("image/gif", 30, 20)),
        ("a.jpg", turned(1), Kind("image/jpeg", 30, 20)),
        ("a.jpg", turned(6), Kind("image/jpeg", 20, 30)),
        ("a.png", b"\x89PNG\r\n\x1a\n broken \xff", Kind("application/octet-stream")),
        ("a.bmp", picture(form="BMP"), Kind("application/octet-stream")),
        ("a.png", b"only text", Kind("text/plain")),
        ("a.svg", b"<svg onload='alert(1)'/>", Kind("image/svg+xml")),
        ("a.html", "<p>é</p>".encode(), Kind("text/html")),
        ("a.html", b"\xff\xfe\0<", Kind("application/octet-stream")),
        ("a.json", b"{}", Kind("application/json")),
        ("a", "ünïcode\n".encode(), Kind("text/plain")),
        ("a.txt", b"%PDF-1.7", Kind("application/pdf")),
        ("a.zip", b"PK\x03\x04\0", Kind("application/zip")),
        ("a.txt", "é".encode()[:1], Kind("application/octet-stream")),
    ],
)
def test_the_content_decides(tmp_path: Path, name: str, content: bytes, kind: Kind) -> None:
    path = tmp_path / "upload"
    path.write_bytes(content)
    assert kind_of(path, name) == kind


def test_the_pixels_of_an_upload_are_not_read(tmp_path: Path) -> None:
    """A small file can have a gigabyte of them. This one has none, and is told by its beginning."""
    path = tmp_path / "upload"
    path.write_bytes(picture(3_000, 2_000)[:200])
    assert kind_of(path, "a.png") == Kind("image/png", 3_000, 2_000)


def test_a_file_on_which_the_decoder_of_its_format_fails_is_no_image(tmp_path: Path) -> None:
    content = picture(form="AVIF")
    path = tmp_path / "upload"
    path.write_bytes(content.replace(b"pitm", b"pitn"))
    assert kind_of(path, "a.avif") == Kind("application/octet-stream")


@pytest.mark.parametrize(
    ("given", "clean"),
    [
        ("C:\\docs\\a b.txt", "a b.txt"),
        ("../../etc/passwd", "passwd"),
        ("a\u202egnp.exe", "a gnp.exe"),
        (" \n ", "file"),
        ("\u3164\u2800", "file"),
        ("...", "file"),
        ("x" * 200 + ".tar", "x" * 115 + "….tar"),
    ],
)
def test_names_are_short_and_plain(given: str, clean: str) -> None:
    assert clean_file_name(given) == clean


def test_images_for_models_are_upright_and_small() -> None:
    with Image.open(BytesIO(for_model(turned(6)))) as image:
        assert (image.size, image.format) == ((20, 30), "JPEG")
    with Image.open(BytesIO(for_model(picture(4000, 1000)))) as image:
        assert image.size == (1568, 392)
    with pytest.raises(OSError, match="cannot identify"):
        for_model(b"no image")
