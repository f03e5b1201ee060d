"""Feeds: one channel, its items, and counters where the feed has any."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.channel.records import ItemRecord, ItemSnapshot, Platform
from jobs.sources.document import Document
from jobs.sources.feed import feed
from jobs.sources.source import SourceError

CHANGED = datetime(2020, 5, 5, tzinfo=UTC)
FETCHED = datetime(2022, 6, 6, tzinfo=UTC)
CHANNEL = "UCsXVk37bltHxD1rDPwtNM8Q"

YOUTUBE = """<feed xmlns="http://www.w3.org/2005/Atom" xmlns:media="http://search.yahoo.com/mrss/"
  xmlns:yt="http://www.youtube.com/xml/schemas/2015">
 <yt:channelId>{channel}</yt:channelId><title>Nutshell</title>
 <entry><id>yt:video:VB_GWz25B3Q</id><yt:videoId>VB_GWz25B3Q</yt:videoId><title>Gold</title>
  <link rel="alternate" href="https://www.youtube.com/watch?v=VB_GWz25B3Q"/>
  <published>2021-03-09T14:59:36+00:00</published><updated>2021-03-15T10:39:39+00:00</updated>
  <media:group><media:community><media:starRating count="{ratings}" average="{stars}"/>
  <media:statistics views="{views}"/></media:community></media:group></entry></feed>"""


def read(
    content: str | bytes, name: str = "feed.xml", fetched: datetime | None = None
) -> feed.Feed:
    """Read *content* as a feed."""
    raw = content.encode() if isinstance(content, str) else content
    return feed.parse(Document(f"/f/{name}", name, raw, CHANGED, fetched))


def rss(*items: str, channel: str = "<title>Show</title>", attributes: str = "") -> str:
    """Return an RSS document with *items*."""
    inner = "".join(f"<item>{item}</item>" for item in items)
    return f'<rss version="2.0" {attributes}><channel>{channel}{inner}</channel></rss>'


def youtube(views: str = "5385898", stars: str = "5.00", channel: str = CHANNEL) -> str:
    """Return a YouTube feed with one video."""
    return YOUTUBE.format(views=views, ratings=360590, stars=stars, channel=channel)


def items_of(source: feed.Feed) -> list[ItemRecord]:
    """Return the items of the one channel."""
    return list(source.read(source.channel.id).items)


def test_youtube_gives_views_at_the_time_of_recording() -> None:
    """A YouTube feed gives the video and its counters at the time in the file's name."""
    source = read(youtube(), "k_2021-04-08T122223Z.xml")
    reading = source.read(CHANNEL)
    assert reading.channel.platform is Platform.YOUTUBE
    assert reading.items == [
        ItemRecord(
            id="VB_GWz25B3Q",
            title="Gold",
            published_at=datetime(2021, 3, 9, 14, 59, 36, tzinfo=UTC),
            url="https://www.youtube.com/watch?v=VB_GWz25B3Q",
        )
    ]
    observed_at = datetime(2021, 4, 8, 12, 22, 23, tzinfo=UTC)
    assert reading.item_snapshots == [
        ItemSnapshot("VB_GWz25B3Q", observed_at, views=5385898, likes=360590)
    ]
    assert reading.channel_snapshots == ()
    assert source.describe() == "youtube feed 'Nutshell', 1 item, as of 2021-04-08 12:22 UTC"


def test_ratings_with_dislikes_among_them_are_no_likes() -> None:
    """Below five stars the count includes dislikes, so likes are unknown."""
    (snapshot,) = read(youtube(stars="4.95")).read(CHANNEL).item_snapshots
    assert snapshot.likes is None
    assert snapshot.views == 5385898


@pytest.mark.parametrize("views", ["-5", "1.5", "many", "9" * 30])
def test_an_entry_with_an_impossible_counter_is_rejected(views: str) -> None:
    """A counter that is not a count rejects the entry, with the reason."""
    (reject,) = read(youtube(views=views)).rejects
    assert reject.reason.startswith("entry 1 views is not a count: '")
    assert reject.channel_id == CHANNEL


def test_observed_at_falls_back_from_name_to_fetch_to_dates_to_change() -> None:
    """The time of recording is the first of: file name, server, newest date, file's change."""
    assert read(youtube(), "x_2021-04-08T122223Z.xml", FETCHED).observed_at.day == 8
    assert read(youtube(), fetched=FETCHED).observed_at == FETCHED
    assert read(youtube()).observed_at == datetime(2021, 3, 15, 10, 39, 39, tzinfo=UTC)
    assert read(rss("<title>a</title>")).observed_at == CHANGED


def test_youtube_ids_get_their_prefix_back() -> None:
    """YouTube's feeds sometimes write a channel's id without its `UC`: it is the same channel."""
    assert read(youtube(channel=CHANNEL.removeprefix("UC"))).channel.id == CHANNEL


def test_a_playlist_is_not_its_owners_channel() -> None:
    """The feed of a playlist names its owner, but is a channel of its own."""
    playlist = youtube().replace("<title>Nutshell", "<yt:playlistId>PL1</yt:playlistId><title>N")
    source = read(playlist)
    assert source.channel.id.startswith("feed:")
    assert source.channel.platform is Platform.YOUTUBE


def test_recordings_of_a_feed_share_their_channel() -> None:
    """The same guid, own address, or page and title make the same channel."""
    podcast = 'xmlns:podcast="https://podcastindex.org/namespace/1.0"'
    guid = "<podcast:guid>ABC</podcast:guid>"
    by_guid = [
        rss("<title>1</title>", channel=f"<title>{title}</title>{guid}", attributes=podcast)
        for title in ("Old", "New")
    ]
    atom = 'xmlns:atom="http://www.w3.org/2005/Atom"'
    own = '<title>{}</title><atom:link rel="self" href="{}://example.com/feed"/>'
    by_address = [
        rss(channel=own.format(*named), attributes=atom)
        for named in (("Old", "http"), ("New", "https"))
    ]
    page = "<title>Show</title><link>{}://example.com/</link>"
    by_page = [rss(channel=page.format(scheme)) for scheme in ("http", "https")]
    ids = [
        {read(content, name).channel.id for content, name in zip(pair, ("a", "b"), strict=True)}
        for pair in (by_guid, by_address, by_page)
    ]
    assert [len(found) for found in ids] == [1, 1, 1]
    assert len(set.union(*ids)) == 3
    assert all(found.startswith("feed:") and len(found) == 17 for found in set.union(*ids))


def test_a_feed_without_any_identity_is_known_by_its_place() -> None:
    """Two documents without any identity are two channels, not one."""
    content = rss("<title>a</title>", channel="")
    assert read(content, "a.xml").channel.id != read(content, "b.xml").channel.id
    assert read(content, "a.xml").channel.title == "a.xml"


@pytest.mark.parametrize(
    ("item", "identity"),
    [
        ("<guid>g</guid><enclosure url='http://e/a.mp3' type='audio/mpeg'/><title>t</title>", "g"),
        (
            "<enclosure url='http://e/a.mp3' type='audio/mpeg'/><link>http://l</link>",
            "http://e/a.mp3",
        ),
        ("<enclosure url='http://e/a.png' type='image/png'/><link>http://l</link>", "http://l"),
        ("<link>http://l</link><title>t</title>", "http://l"),
    ],
)
def test_an_items_id_is_the_first_of_what_it_has(item: str, identity: str) -> None:
    """Guid, then recording, then link; a picture enclosed everywhere identifies nothing."""
    assert [found.id for found in items_of(read(rss(item)))] == [identity]


def test_an_item_with_a_title_only_has_a_digest_as_id() -> None:
    """Title and date make an id that is the same at every reading."""
    item = "<title>t</title><pubDate>Wed, 03 Jan 2018 14:11:52 GMT</pubDate>"
    first, second = (items_of(read(rss(item), name)) for name in ("a", "b"))
    assert first == second
    assert first[0].id.startswith("title:")


def test_an_entry_with_nothing_usable_is_rejected() -> None:
    """An entry without id, link, recording and title is a reject, and no error."""
    source = read(rss("<description>d</description>", "<title>t</title>"))
    assert len(items_of(source)) == 1
    assert [reject.reason for reject in source.rejects] == [
        "entry 1 has neither id, enclosure, link nor title"
    ]


def test_entries_with_one_id_count_once() -> None:
    """The same entry again is counted as repeated; a different one with its id is a reject."""
    source = read(rss("<guid>g</guid><title>1</title>", *["<guid>g</guid><title>2</title>"] * 2))
    assert [item.title for item in items_of(source)] == ["2"]
    assert [reject.reason for reject in source.rejects] == [
        "entry 1 has the id of entry 2, which counts"
    ]
    assert source.describe().endswith("1 item rejected, 1 item repeated")


@pytest.mark.parametrize(
    ("duration", "duration_s"),
    [("3581", 3581), ("0", None), ("05:09", 309), ("1:09:50", 4190), ("N/A", None), ("", None)],
)
def test_podcast_durations_come_in_three_forms(duration: str, duration_s: int | None) -> None:
    """Seconds, MM:SS and HH:MM:SS are read; anything else is unknown and harmless."""
    itunes = 'xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd"'
    item = f"<title>t</title><itunes:duration>{duration}</itunes:duration>"
    source = read(rss(item, attributes=itunes))
    assert source.channel.platform is Platform.PODCAST
    assert [found.duration_s for found in items_of(source)] == [duration_s]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Wed, 03 Jan 2018 14:11:52 PST", datetime(2018, 1, 3, 22, 11, 52, tzinfo=UTC)),
        ("03 Jan 2018 14:11:52 +0200", datetime(2018, 1, 3, 12, 11, 52, tzinfo=UTC)),
        ("Mon, 03 Jan 2018 14:11:52 GMT", datetime(2018, 1, 3, 14, 11, 52, tzinfo=UTC)),
        ("yesterday", None),
    ],
)
def test_publication_dates_are_read_with_zones_and_wrong_weekdays(
    written: str, expected: datetime | None
) -> None:
    """Named zones and wrong or missing weekdays are read; anything else is unknown."""
    (item,) = items_of(read(rss(f"<title>t</title><pubDate>{written}</pubDate>")))
    assert item.published_at == expected


def test_titles_are_plain_text_in_one_line() -> None:
    """Markup is removed from a title, and entities become their text."""
    source = read(
        rss(
            "<title>Q &amp;amp; A\n &lt;i&gt;live&lt;/i&gt; &amp;eacute;</title>",
            "<title><![CDATA[R & D < 5]]></title>",
        )
    )
    assert [item.title for item in items_of(source)] == ["Q & A live é", "R & D < 5"]


def test_only_web_addresses_become_links() -> None:
    """A link that no page may have is left out; the item stays."""
    (item,) = items_of(read(rss("<guid>g</guid><link>javascript:alert(1)</link>")))
    assert item.url is None


def test_white_space_before_the_declaration_does_no_harm() -> None:
    """A blank line before `<?xml` makes XML ill-formed; the feed is read anyway."""
    source = read('\n\n<?xml version="1.0" encoding="UTF-8"?>' + youtube())
    assert source.read(CHANNEL).item_snapshots[0].views == 5385898
    assert "not well-formed" not in source.describe()


def test_a_feed_cut_off_gives_what_is_there() -> None:
    """The whole entries of a document that ends early are used, and the damage is reported."""
    source = read(rss("<title>1</title>", "<title>2</title>").removesuffix("</channel></rss>"))
    assert [item.title for item in items_of(source)] == ["1", "2"]
    assert source.describe().endswith("not well-formed")


def test_a_channel_without_items_is_a_channel() -> None:
    """A show that has not begun yet has no items, which is no error."""
    assert items_of(read(rss())) == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("<!DOCTYPE html><html><title>Error 404</title></html>", "an HTML page titled 'Error 404'"),
        ("<html><body>No</body></html>", "is an HTML page, not a feed"),
        ("<opml version='1.0'><body/></opml>", "is XML with the root <opml>, not a feed"),
        ("<!-- nothing -->", "is markup without any element"),
        ("<rss version='2.0'/>", "is a feed without title and link, and without any usable entry"),
        (rss("<author/>", channel=""), "entry 1 has neither id"),
    ],
)
def test_what_is_no_feed_says_what_it_is(content: str, reason: str) -> None:
    """Markup that is no feed, or an empty one, is an error in one line that names the file."""
    with pytest.raises(SourceError) as error:
        read(content)
    assert str(error.value).startswith("/f/feed.xml: ")
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_nothing_a_feed_refers_to_is_opened(tmp_path: object) -> None:
    """External entities are not read, and bytes that look like a path or address stay bytes."""
    secret = f"file://{tmp_path}/secret"
    attack = f'<!DOCTYPE rss [<!ENTITY x SYSTEM "{secret}">]>' + rss("<title>t &x;</title>")
    assert all(item.title in {"t", "t &x;"} for item in items_of(read(attack)))
    for content in (b"http://127.0.0.1:9/feed", str(tmp_path).encode()):
        with pytest.raises(SourceError):
            read(content)


def test_entities_do_not_multiply() -> None:
    """Entities defined by entities, ten deep, do not fill the memory."""
    layers = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(12))
    bomb = f'<!DOCTYPE rss [<!ENTITY e0 "ha">{layers}]>' + rss("<title>a &e12;</title>")
    assert all(len(item.title) < 100_000 for item in items_of(read(bomb)))


def test_an_unknown_channel_is_an_error() -> None:
    """A feed knows its own channel only."""
    with pytest.raises(SourceError, match="has no channel nobody"):
        read(rss()).read("nobody")


@settings(max_examples=60, deadline=None)
@given(st.text("<>&;/='\"ab \n!?-[]") | st.binary(max_size=200))
def test_any_damage_gives_a_feed_or_a_source_error(damage: str | bytes) -> None:
    """Whatever a feed contains, it is read or refused; no other error is raised."""
    raw = damage.encode() if isinstance(damage, str) else damage
    content = rss("<title>t</title>").encode().replace(b"<title>t", b"<title>t" + raw)
    try:
        source = read(content)
    except SourceError as error:
        assert "\n" not in str(error)  # noqa: PT017 -- either outcome is right
    else:
        source.describe()
        source.read(source.channel.id)


def test_dates_are_read_in_the_forms_that_feeds_use() -> None:
    """Dates with slashes, in seconds or in other languages are read, or are unknown."""
    written = (
        "2023/05/04 07:00:00",
        "2023年5月11日",
        "1684386000",
        "jeu., 25 mai 2023 07:00:00 +0200",
    )
    source = read(
        rss(
            *(
                f"<guid>{number}</guid><title>t</title><pubDate>{date}</pubDate>"
                for number, date in enumerate([*written, "some day in May", "5/6/2023"])
            )
        )
    )
    dates = [item.published_at and item.published_at.day for item in items_of(source)]
    assert dates == [4, 11, 18, 25, None, None]
    assert "6 items, 2 without a date" in source.describe()


def test_episodes_that_share_one_id_are_known_by_their_recordings() -> None:
    """Some shows write the same guid for all: then it names none of them."""
    source = read(
        rss(
            *(
                f"<guid>show</guid><title>{n}</title><enclosure url='https://e.example/{n}.mp3'/>"
                for n in range(3)
            )
        )
    )
    assert [item.id for item in items_of(source)] == [
        f"https://e.example/{n}.mp3" for n in range(3)
    ]
    titles = (("a", "1 May 2023"), ("b", "2 May 2023"))
    source = read(
        rss(
            *(
                f"<guid>show</guid><title>{title}</title><pubDate>{date}</pubDate>"
                for title, date in titles
            )
        )
    )
    assert [item.title for item in items_of(source)] == ["a", "b"]
    same = (
        "<guid>show</guid><link>https://e.example</link><enclosure url='https://e.example/a.mp3'/>"
    )
    source = read(
        rss(*(f"{same}<title>{name}</title><pubDate>{date}</pubDate>" for name, date in titles))
    )
    assert [item.title for item in items_of(source)] == ["a", "b"]


def test_what_is_dated_in_the_future_has_not_come_out() -> None:
    """An item that is pinned by a date far away has none, and is not when the feed was read."""
    pinned = (
        "<guid>p</guid><title>Begin here</title><pubDate>Sun, 01 Jan 2150 00:00:00 GMT</pubDate>"
    )
    usual = "<guid>u</guid><title>u</title><pubDate>Thu, 04 May 2023 07:00:00 GMT</pubDate>"
    source = read(rss(pinned, usual))
    assert source.observed_at == datetime(2023, 5, 4, 7, tzinfo=UTC)
    assert [item.published_at for item in items_of(source)] == [None, source.observed_at]


def test_a_template_is_no_feed() -> None:
    """What a site's program makes its feed of is refused, with what to name instead."""
    with pytest.raises(SourceError, match=r"is a template.*Name the feed that is made of it"):
        read(rss("<guid>g</guid><title>{{ episode.title }}</title>"))
