"""Zip archives as Studio downloads them, and spreadsheets: each holds texts."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, TypeAlias

import pytest

from jobs.sources import Skipped, SourceError, UnrecognisedError, discover, open_source

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.unit.sources.conftest import Write

Sheets: TypeAlias = "Mapping[str, Sequence[Sequence[str | float]]]"

TOTALS = "Date,Views\n2023-05-01,5\n2023-05-02,6\n"
TABLE = 'Content,Video title,Video publish time,Views\nq1w2e3r4t5y,One,"May 1, 2023",9\n'
DAILY = "date_utc,channel_id,views\n2023-05-01,c,5\n"
NAME = "Content 2023-05-01_2023-05-02 Some Show"


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    """Return a zip archive of *files*, the same at each call: tests are named by its bytes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def workbook(sheets: Sheets) -> bytes:
    """Return a spreadsheet; a number under 60,000 in the first column is a day."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    rel = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"

    def cell(value: str | float, at: int) -> str:
        if isinstance(value, str):
            return f'<c t="inlineStr"><is><t>{value}</t></is></c>'
        return f'<c s="{int(at == 0)}"><v>{value}</v></c>'

    files = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="a" '
        f'Type="{rel}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{main}"><cellXfs count="2"><xf numFmtId="0"/>'
        '<xf numFmtId="14"/></cellXfs></styleSheet>',
    }
    names, links = "", f'<Relationship Id="s" Type="{rel}/styles" Target="styles.xml"/>'
    for number, (name, rows) in enumerate(sheets.items()):
        body = "".join(
            f"<row>{''.join(cell(value, at) for at, value in enumerate(row))}</row>" for row in rows
        )
        files[f"xl/worksheets/s{number}.xml"] = (
            f'<worksheet xmlns="{main}"><sheetData>{body}</sheetData></worksheet>'
        )
        names += f'<sheet name="{name}" sheetId="{number + 1}" r:id="r{number}"/>'
        target = f'Target="worksheets/s{number}.xml"'
        links += f'<Relationship Id="r{number}" Type="{rel}/worksheet" {target}/>'
    files["xl/workbook.xml"] = (
        f'<workbook xmlns="{main}" xmlns:r="{rel}"><sheets>{names}</sheets></workbook>'
    )
    files["xl/_rels/workbook.xml.rels"] = (
        f'<Relationships xmlns="{package}/relationships">{links}</Relationships>'
    )
    return zipped(files)


async def test_studios_zip_is_the_export(write: Write, tmp_path: Path) -> None:
    """As it was downloaded it is the channel that its name says; unpacked it is the same."""
    path = write(f"{NAME} (1).zip", zipped({"Totals.csv": TOTALS, "Table data.csv": TABLE}))
    packed = await open_source(path)
    (channel,) = packed.channels()
    reading = packed.read(channel.id)
    assert (channel.title, len(reading.channel_gains), len(reading.items)) == ("Some Show", 2, 1)
    write(f"f/{NAME}/Totals.csv", TOTALS)
    unpacked = await open_source(str(tmp_path / "f" / NAME))
    assert unpacked.channels()[0].id == channel.id
    (found,) = await discover(str(tmp_path / "f"))
    assert not isinstance(found, Skipped | SourceError)
    again = await open_source(path, packed.ref.kind)
    assert again.channels() == packed.channels()


async def test_a_zip_in_a_folder_is_found(write: Write, tmp_path: Path) -> None:
    """A folder may hold archives among its files."""
    write("a.zip", zipped({"x/list.csv": DAILY, "notes.txt": "Hello", "p.png": b"\x89PNG1"}))
    write("b.csv", DAILY)
    found = await discover(str(tmp_path))
    kinds = [each.ref.kind for each in found if not isinstance(each, Skipped | SourceError)]
    assert kinds == ["csv", "csv"]


async def test_a_spreadsheet_is_its_sheets(write: Write) -> None:
    """Days and numbers are what the cells hold, whatever they look like."""
    days: list[list[str | float]] = [["Date", "Views"], [45047, 5], [45048, 1234.0]]
    path = write(f"{NAME}.xlsx", workbook({"Chart": [["x"]], "Totals": days}))
    source = await open_source(path)
    (channel,) = source.channels()
    gains = source.read(channel.id).channel_gains
    assert channel.title == "Some Show"
    assert [(f"{gain.day}", gain.views) for gain in gains] == [
        ("2023-05-01", 5),
        ("2023-05-02", 1234),
    ]


def _far(row: bytes) -> bytes:
    """Return a small spreadsheet with *row* after its others."""
    with zipfile.ZipFile(io.BytesIO(workbook({"Totals": [["Date", "Views"], [45047, 5]]}))) as book:
        files = {name: book.read(name) for name in book.namelist()}
    far = row + b"</sheetData>"
    sheet = "xl/worksheets/s0.xml"
    return zipped(files | {sheet: files[sheet].replace(b"</sheetData>", far)})


async def test_a_mapping_may_describe_a_sheet(write: Write) -> None:
    """What a mapping says of a CSV holds for a sheet with its columns."""
    mapping = write(
        "m.toml", '[columns]\nobserved_at = "Day"\nviews = "All"\n[channel]\ntitle = "T"\n'
    )
    sheets: Sheets = {"Notes": [["a", "b"], ["c", "d"]], "Log": [["Day", "All"], [45047, 5]]}
    source = await open_source(write("t.xlsx", workbook(sheets)), mapping=mapping)
    assert [each.views for each in source.read(source.channels()[0].id).channel_snapshots] == [5]
    assert source.ref.kind == f"csv+{mapping}"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (zipped({"a.csv": DAILY, "b.csv": DAILY}), "holds 2 lists: a.csv, b.csv. Unpack it"),
        (zipped({"p.png": b"\x89PNG1"}), "holds 1 file, and no text. Unpack it"),
        (zipped({"in.zip": zipped({"a.csv": DAILY})}), "holds 1 archive, and no text. Unpack it"),
        (zipped({"A/T.csv": TOTALS, "B/T.csv": TOTALS}), "holds exports in 2 folders: A, B"),
        (zipped({"n.txt": "Hello there"}), "is an archive of no list: n.txt is neither"),
        (zipped({"a.csv": DAILY})[:60], "is damaged"),
        (zipped({"xl/workbook.xml": "<broken"}), "cannot be read as a spreadsheet"),
        *[
            (
                _far(one),
                "has a sheet of 1,048,576 rows and 16,384 columns. Delete what stands far",
            )
            for one in (
                b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>',
                b"<row><c  r \n=            'XFD1048576'><v>1</v></c></row>",
                b'<row><c r="xfd0001048576"><v>1</v></c></row>',
                b'<row><c r="&#88;FD104857&#54;"><v>1</v></c></row>',
                b'<row r="1048576">' + b"<c><v>1</v></c>" * 16_384 + b"</row>",
                b'<x:row r="1048575"/><x:row><x:c r="XFC1048576"/><x:c><v>1</v></x:c></x:row>',
            )
        ],
        (zipped({"a.csv": b"0" * (300 << 20)}), "unpacks to 300 MiB"),
        (zipped({f"{n}.csv": "a" for n in range(1001)}), "holds 1,001 files"),
    ],
)
async def test_what_cannot_be_read_says_why(write: Write, content: bytes, reason: str) -> None:
    """One line names the file, what is wrong, and what to do."""
    with pytest.raises((SourceError, UnrecognisedError), match=reason):
        await open_source(write("a.zip", content))
