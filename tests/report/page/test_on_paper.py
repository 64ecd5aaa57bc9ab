"""The report in a browser: what is wider than the window scrolls there, and on paper nothing is cut off."""

import chromium
import pytest
from fabricated_runs import UNDER_NOISE

from tfcr.report import write_report

pytestmark = pytest.mark.full

_A4_LANDSCAPE = round((297 - 2 * 12) / 25.4 * 96)  # CSS pixels between the margins of the style sheet
_TOO_WIDE = """
    document.querySelectorAll("details").forEach(each => each.open = true);
    return [...document.querySelectorAll("table, figure svg")]
        .filter(each => each.getBoundingClientRect().width > document.documentElement.clientWidth + 1)
        .map(each => each.tagName + " " + (each.caption ? each.caption.textContent.trim() : ""));
"""


def test_no_table_is_wider_than_paper(make_tested, tmp_path):
    """Four conditions under noise, whose tables are the widest of all."""
    conditions = [
        make_tested(2, clean=3, alpha=alpha, **noise) for noise in ({}, {"noise": UNDER_NOISE}) for alpha in (0.0, 0.1)
    ]
    page = write_report([run for runs in conditions for run in runs], tmp_path / "report").page
    with chromium.started(tmp_path / "profile") as browser:
        browser.get(page.as_uri())
        size = {"width": _A4_LANDSCAPE, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        assert len(browser.find_elements("tag name", "table")) > 8
        assert browser.execute_script(_TOO_WIDE) == []
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "screen"})
        wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert browser.execute_script(wide) == 0  # tables scroll within their frames, the page does not
