"""Chromium, as the tests drive it."""

from pathlib import Path

from playwright.sync_api import Browser, Playwright

PROGRAM = Path(__file__).with_suffix(".sh")
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def launched(playwright: Playwright) -> Browser:
    """The program that `CHROMIUM` names, or the one in the PATH."""
    return playwright.chromium.launch(executable_path=PROGRAM, args=ARGUMENTS)
