"""What TikTok Studio and Meta Business Suite export, in any language; no day is a total."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jobs.channel.records import FROM_THE_FIRST
from jobs.sources import SourceError, discover, open_source
from jobs.sources.csv.csv_source import CsvSource
from tests.unit.sources.csv.csv_text import read_csv

if TYPE_CHECKING:
    from jobs.channel.records import ChannelReading
    from tests.unit.sources.conftest import Write

POSTS = {
    "English": "Post ID,Account ID,Account username,Description,Publish time,Permalink,Date,Views,"
    "Reach,Likes,Follows",
    "Spanish": "Identificador de la publicación,Identificador de la cuenta,"
    "Nombre de usuario de la cuenta,Descripción,Hora de publicación,Enlace permanente,Fecha,"
    "Visualizaciones,Alcance,Me gusta,Seguidores",
    "Portuguese": "Identificação do post,Identificação da conta,Nome de usuário da conta,Descrição,"
    "Horário de publicação,Link permanente,Data,Visualizações,Alcance,Curtidas,Seguimentos",
    "Swedish": "Publicerings-id,Konto-id,Kontots användarnamn,Beskrivning,Publiceringstid,"
    "Permalänk,Datum,Visningar,Räckvidd,Gilla-markeringar,Följer",
}
POST = '7{n},178,baker,"Bread, {n}",0{n}/02/2025 08:30,https://e.example/p{n},{date},{views},90,5,{n}\n'


def only(source: CsvSource) -> ChannelReading:
    """Return the reading of the one channel in *source*."""
    (channel,) = source.channels()
    return source.read(channel.id)


@pytest.mark.parametrize("language", POSTS)
def test_posts_have_what_only_their_owner_sees(language: str) -> None:
    """Reach and followers are of the lifetime; the month stands first if nothing says another."""
    rows = "".join(POST.format(n=n, date="Lifetime", views=100 * n) for n in (3, 4))
    reading = only(read_csv(f"{POSTS[language]}\n{rows}"))
    assert (reading.channel.id, reading.channel.title) == ("instagram:178", "baker")
    first, second = reading.items
    assert f"{first.published_at:%d %b} {second.published_at:%d %b}" == "02 Mar 02 Apr"
    assert (first.title, first.url) == ("Bread, 3", "https://e.example/p3")
    assert [each.views for each in reading.item_snapshots] == [300, 400]
    assert [
        (each.first, each.viewers, each.subscribers_gained) for each in reading.item_figures
    ] == [
        (FROM_THE_FIRST, 90, 3),
        (FROM_THE_FIRST, 90, 4),
    ]


def test_days_of_posts_are_no_totals() -> None:
    """Beside a total they are left out; without any they are refused, and say what to export."""
    days = "".join(POST.format(n=3, date=f"2025-03-0{day}", views=day) for day in range(2, 9))
    total = POST.format(n=3, date="Total", views=35)
    source = read_csv(f"{POSTS['English']}\n{total}{days}")
    assert [each.views for each in only(source).item_snapshots] == [35]
    assert not source.rejects
    with pytest.raises(SourceError, match="is a single day: export it with totals"):
        read_csv(f"{POSTS['English']}\n{days}")


def days_of(title: str, values: list[int], names: str = '"Date","Primary"') -> str:
    """Write a table of days as Meta does."""
    rows = "".join(f'"2025-03-{n:02d}T00:00:00","{value}"\n' for n, value in enumerate(values, 1))
    return f'"{title}"\n{names}\n{rows}'


async def test_metas_days_count_what_their_title_says(write: Write) -> None:
    """A folder's tables are one channel's; what is not read is said, and two are not mixed."""
    for name, title in (
        ("Views", "Visualizações"),
        ("Follows", "Neue Follower"),
        ("Viewers", "Viewers"),
    ):
        text = f"sep=,\n{days_of(title, [5, 7, 9])}"
        if name == "Views":
            text = text.replace(",", ";")
        path = write(f"page/{name}.csv", text.encode("utf-16"))
    write("page/Visits.csv", days_of("Facebook visits", [1, 2, 3]).encode("utf-16"))
    found = await discover(path.rsplit("/", 1)[0])
    assert [each.reason for each in found if hasattr(each, "reason")] == [
        "has what Meta counts a day of 'Facebook visits', which is not read"
    ]
    sources = [each for each in found if isinstance(each, CsvSource)]
    assert len({channel.id for each in sources for channel in each.channels()}) == 1
    readings = [each.read(each.channels()[0].id) for each in sources]
    assert [gain.views for each in readings for gain in each.channel_gains] == [5, 7, 9]
    figures = [figure for each in readings for figure in each.channel_figures]
    assert [each.subscribers_gained for each in figures[:3]] == [5, 7, 9]
    assert [each.viewers for each in figures[3:]] == [5, 7, 9]
    two = f"{days_of('Facebook reach', [1])}\n{days_of('Instagram reach', [2])}"
    with pytest.raises(SourceError, match="holds 2 of Meta's tables, 'Facebook reach' and"):
        await open_source(write("two.csv", two))


async def test_tiktoks_archives_are_one_channel(write: Write) -> None:
    """Their names have whose they are and the first day, which dates without a year follow."""
    stamp = "2025-11-20_1767571200_baker"
    texts = {
        f"Overview_{stamp}/Overview.csv": "Date,Video views,Profile views,Net growth\n"
        "30 December,5,1,2\n31 December,7,1,-1\n1 January,9,1,0\n",
        f"Content_{stamp}/Content.csv": "Video title,Video link,Post time,Total views\n"
        "One,https://e.example/1,January 3,10\nTwo,https://e.example/2,November 21,20\n",
        f"Viewers_{stamp}/Viewers.csv": "Date,Total Viewers,New Viewers,Returning Viewers\n"
        "20 November,undefined,0,0\n21 November,30,20,10\n",
    }
    for name, text in texts.items():
        path = write(f"d/{name}", text)
    sources = await discover(path.rsplit("/", 2)[0])
    readings = [each.read(each.channels()[0].id) for each in sources]  # type: ignore[union-attr]
    assert {(each.channel.id, each.channel.title) for each in readings} == {
        (readings[0].channel.id, "baker")
    }
    content, overview, viewers = readings
    assert {f"{each.observed_at:%Y-%m-%d}" for each in content.item_snapshots} == {"2026-01-05"}
    assert [f"{each.published_at:%Y-%m-%d}" for each in content.items] == [
        "2026-01-03",
        "2025-11-21",
    ]
    assert [str(each.day) for each in overview.channel_gains] == [
        "2025-12-30",
        "2025-12-31",
        "2026-01-01",
    ]
    assert [each.subscribers for each in overview.channel_gains] == [2, -1, 0]
    (figures,) = viewers.channel_figures
    assert (figures.viewers, figures.new_viewers, figures.returning_viewers) == (30, 20, 10)
