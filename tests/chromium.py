"""Chromium without a window, for pages that people look at; a test without it or selenium is skipped, and says so."""

import contextlib
import pathlib
import shutil
from collections.abc import Iterator

import pytest

_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextlib.contextmanager
def started(profile: pathlib.Path, *options: str) -> Iterator:
    """A selenium driver of a browser with a profile of its own, in a new folder."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("needs chromium and chromedriver on the path (Debian: apt-get install chromium chromium-driver)")
    asked = webdriver.ChromeOptions()
    asked.binary_location = chromium
    for option in (*_OPTIONS, *options, f"--user-data-dir={profile}"):
        asked.add_argument(option)
    asked.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    browser = webdriver.Chrome(options=asked, service=webdriver.ChromeService(driver))
    try:
        yield browser
    finally:
        browser.quit()
