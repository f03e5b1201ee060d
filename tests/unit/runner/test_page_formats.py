"""What the pages make of single values."""

from __future__ import annotations

import pytest

from runner.web.formats import program

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0"
EDGE = "Mozilla/5.0 (Windows NT 10.0) Chrome/130.0.0.0 Safari/537.36 Edg/130.0.1"
FIREFOX = "Mozilla/5.0 (Macintosh; Intel Mac OS X 14.5; rv:131.0) Gecko/2 Firefox/131.0"
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Mobile/15E Safari/604"


@pytest.mark.parametrize(
    ("agent", "shown"),
    [
        (f"{CHROME} Safari/537.36", "Chrome 130, Linux"),
        (EDGE, "Edge 130, Windows"),
        (FIREFOX, "Firefox 131, Mac OS X"),
        (SAFARI, "Safari 17, iPhone"),
        ("python-httpx/0.27", "python-httpx/0.27"),
        ("", ""),
    ],
)
def test_browser_is_named_by_its_name_version_and_system(agent: str, shown: str) -> None:
    """Whatever calls itself Chrome, too; what is no browser is shown as it is."""
    assert program(agent) == shown
