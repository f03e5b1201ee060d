"""Studio's exports in the languages of their owners, and saved again by a spreadsheet."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from jobs.channel.records import ChannelGain
from jobs.sources import open_source

if TYPE_CHECKING:
    from tests.unit.sources.conftest import Write

ONE, TWO = "q1w2e3r4t5y", "-zX9_cV8bN7"
DAYS = "".join(f"2023-05-{day:02},{300 - day}\n" for day in range(1, 5))

TOTALS = {
    "de": "Datum,Aufrufe",
    "de, hyphens": "Da\u00adtum,Auf\u00adru\u00adfe",
    "fr": "Date,Vues",
    "es": "Fecha,Visualizaciones",
    "pt": "Data,Visualizações",
    "ja": "日付,視聴回数",
    "ko": "날짜,조회수",
    "hi": "तारीख,व्यू",
}
TABLES = {
    "de": ("Videos,Videotitel,Veröffentlichungszeitpunkt des Videos,Dauer,Aufrufe", "Gesamt"),
    "fr": ("Contenu,Titre de la vidéo,Heure de publication de la vidéo,Durée,Vues", "Total"),
    "es": (
        "Contenido,Título del vídeo,Hora de publicación del vídeo,Duración,Visualizaciones",
        "Total",
    ),
    "pt": (
        "Conteúdo,Título do vídeo,Horário de publicação do vídeo,Duração,Visualizações",
        "Total",
    ),
    "ja": ("コンテンツ,動画のタイトル,動画公開時刻,長さ,視聴回数", "合計"),
    "ko": ("콘텐츠,동영상 제목,동영상 게시 시간,길이,조회수", "합계"),
}


@pytest.mark.parametrize("language", TOTALS)
async def test_days_in_any_language(write: Write, language: str) -> None:
    """Columns are known by what they mean; letters that nobody sees are none."""
    source = await open_source(write("c/any name.csv", f"{TOTALS[language]}\n{DAYS}"))
    gains = source.read(source.channels()[0].id).channel_gains
    assert gains == [ChannelGain(date(2023, 5, day), views=300 - day) for day in range(1, 5)]


@pytest.mark.parametrize("language", TABLES)
async def test_items_in_any_language(write: Write, language: str) -> None:
    """The row of totals is no item, whatever it is called, nor is the note below the table."""
    header, total = TABLES[language]
    table = (
        f'{header}\n{total},,,,90\n{ONE},Eins,"May 3, 2023",61,60\n{TWO},Zwei,"May 9, 2023",62,30\n'
    )
    source = await open_source(write("c/any name.csv", f"{table}Top 500: 500,,,,\n"))
    reading = source.read(source.channels()[0].id)
    assert [(item.id, item.duration_s) for item in reading.items] == [(ONE, 61), (TWO, 62)]
    assert reading.items[0].published_at == datetime(2023, 5, 3, tzinfo=UTC)
    assert [each.views for each in reading.item_snapshots] == [60, 30]
    assert not reading.rejects


@pytest.mark.parametrize(
    ("days", "separator"),
    [
        (("3-May-23", "4-May-23"), ","),
        (("5/13/2023", "5/14/2023"), ","),
        (("2023-05-13", "2023-05-14"), ","),
        (("13.05.2023", "14.05.2023"), ";"),
        (("13 mai 2023", "14 mai 2023"), ";"),
    ],
)
async def test_a_spreadsheet_may_have_saved_it(
    write: Write, days: tuple[str, ...], separator: str
) -> None:
    """Publications in the spreadsheet's form, and numbers with its marks, are read as meant."""
    lines = ["Content,Video title,Video publish time,Duration,Views"]
    lines += [f"{ONE},Eins,{days[0]},61,1.260", f"{TWO},Zwei,{days[1]},62,930"]
    text = "\r\n".join(lines).replace(",", separator)
    source = await open_source(write("c/Table data.csv", text))
    reading = source.read(source.channels()[0].id)
    assert [item.published_at and item.published_at.month for item in reading.items] == [5, 5]
    assert [each.views for each in reading.item_snapshots] == [1260, 930]


async def test_parts_of_a_day_are_its_whole(write: Write) -> None:
    """Each view is of a subscriber or of none: their sum is the day's, without any Totals."""
    table = "Date,Subscription status,Views\n" + "".join(
        f"2023-05-{day:02},{status},{views}\n"
        for day in (1, 2)
        for status, views in (("Subscribed", 10 * day), ("Not subscribed", 5))
    )
    source = await open_source(write("c/Chart data.csv", table))
    gains = source.read(source.channels()[0].id).channel_gains
    assert gains == [
        ChannelGain(date(2023, 5, 1), views=15),
        ChannelGain(date(2023, 5, 2), views=25),
    ]
