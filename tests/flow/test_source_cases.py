"""Small files of the kinds that were once read wrongly, where they are at hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobs.sources import Skipped, SourceError, discover

ROOT = Path(__file__).parents[2]
CASES = Path(os.environ.get("PIPELINE_TEST_CASES", ROOT.parent / "shared" / "cases" / "sources"))

EXPECTED = {
    "01_same_folder_name": ["alpha/data", "60 days", "beta/data"],
    "02_weekly_totals": ["Totals.csv is weekly"],
    "03a_monthly_totals": ["is monthly", "Export it by day"],
    "03b_monthly_totals_ym": ["is monthly", "Export it by day"],
    "04_top500_cut": ["40 items", "121,000 views listed are 50 % of the 242,000"],
    "04b_top500_cut_pt": ["40 items", "50 % of the 242,000"],
    "05_range_in_folder": ["'My Show'", "2 older items counted only from about 2024-01-01"],
    "05b_copy_suffix": ["'My Show'", "60 days"],
    "06_daily_values_by_mapping": ["falls from 202 of 400", "gained_views"],
    "07_total_row_by_mapping": ["3 items"],
    "08_dates_with_slashes": ["6 items", "as of 2024-04-15"],
    "09_one_guid_for_all": ["6 items"],
    "10_pinned_in_future": ["9 items", "1 without a date", "as of 2024-03-11"],
    "11_studio_de": ["60 days", "2 items"],
    "11_studio_pt": ["60 days"],
    "11_studio_ja": ["60 days"],
    "11d_soft_hyphen_mapping": ["2 items"],
    "12_spreadsheet_us": ["9 items"],
    "12_spreadsheet_mdy": ["9 items"],
    "12_spreadsheet_iso": ["9 items"],
    "12_spreadsheet_de": ["9 items"],
    "12_thousands": ["60 days"],
    "12_thousands_de": ["60 days"],
    "13_zip": ["'My Show'", "60 days"],
    "15_opml": ["list of 2 feeds", "pipeline channels add"],
    "16_trending_without_title": ["2 channels", "2 items"],
    "17_lenient_quotes": ["2 items", "2 rows"],
    "18_api_list": ["1 channel", "1 item"],
    "18b_api_list_folder": ["1 channel", "1 item"],
    "19_dates_without_year": ["30 rows", "2025-12-20 to 2026-01-18"],
    "21_meta_sep": ["30 rows"],
    "22_no_header": ["its first line is data, not names of columns"],
    "23_twitch_followers": ["peak viewers, average viewers"],
    "26_undated": ["30 items", "none of them dated"],
    "28_template": ["is a template"],
    "29_no_counter": ["12 items"],
    "30_last_90_days": ["30 older items counted only from about 2026-01-15"],
}


def _cases() -> list[tuple[str, str]]:
    listed = CASES / "EXPECTED.tsv"
    if not listed.exists():
        return []
    rows = (line.split("\t") for line in listed.read_text("utf-8").splitlines())
    return [(name, arguments) for name, arguments, _ in rows]


@pytest.mark.skipif(not _cases(), reason=f"no cases: {CASES.name} is not at hand")
async def test_every_case_is_read_as_it_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each gives the channel, items and days that it has, or one line that says what is wrong."""
    monkeypatch.chdir(CASES)
    wrong = {}
    for name, arguments in _cases():
        mapping, location = None, arguments.removeprefix("--strict ")
        if location.startswith("--mapping "):
            _, mapping, location = location.split(" ", 2)
        lines = []
        for found in await discover(location, mapping=mapping):
            if isinstance(found, SourceError):
                lines.append(str(found))
            elif not isinstance(found, Skipped):
                lines.append(found.describe())
                lines += [reject.reason for reject in found.rejects]
        told = " | ".join(lines)
        lacking = [part for part in EXPECTED[name] if part not in told]
        if lacking or (arguments.startswith("--strict ") and "rejected" in told):
            wrong[name] = (told, lacking)
    assert not wrong
