"""The machine's own Chromium, for the scripts that measure and draw the widget."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser; ends the program when there is none."""
    executable = shutil.which("chromium")
    if executable is None:
        sys.exit("Chromium is not installed")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
