"""The demo's report: one safe, self-contained page."""

import base64
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser

import pytest

from headrace.local.audit import Audit, Upload
from headrace.local.gallery import drawn_still, png, thumbnail
from headrace.local.measures import Scaling, Sharing, Spread, Timeline
from headrace.local.plot import DARK, LIGHT, PLAIN, Look, narrow, timeline_png
from headrace.local.report import (
    Clip,
    Picture,
    ReportData,
    Source,
    TimelinePictures,
    render_report,
    seconds_text,
    visible,
)
from headrace.model.record import Ending, FailureRecord
from headrace.model.task import Task

HOSTILE = "echo/<script>alert(1)</script>\"'&{{7*7}}\u202egnp.exe\n"


@cache
def a_picture(number: int = 0) -> Picture:
    picture = thumbnail(drawn_still(number), most_pixels=120)
    assert picture is not None
    return picture


def a_clip(**changes: object) -> Clip:
    fields: dict[str, object] = {
        "name": "echo/clip.dcm", "source": Source.DERIVED, "description": "flipped", "view": "four-chamber",
        "probability": 0.913, "doppler": False, "picture": a_picture(),
    }  # fmt: skip
    return Clip(**{**fields, **changes})  # type: ignore[arg-type]  # a test names only what it changes


def a_failure(key: str = "echo/bad.dcm", reason: str = "no pixel data (0 bytes)") -> FailureRecord:
    task = Task(id="0" * 32, function="echo", bucket="uploads", key=key, etag="e", size=0, received=1.0)
    return FailureRecord(
        state=Ending.FAILED, task=task, reason=reason, attempts=3, function_digest="d", worker="w",
        ended=2.0, log="line one\n\x1b[31mline two",
    )  # fmt: skip


TIMELINE = Timeline(
    waiting=((0.0, 4), (2.0, 1), (3.0, 0)),
    workers=((0.2, 1), (0.5, 2), (9.0, 0)),
    finished=((2.0, 1), (3.5, 4)),
    seconds=9.0,
    scalings=(
        Scaling(0.2, "echo", 0, 2, 2, 4, "no-room", "no node has room"),
        Scaling(9.0, "echo", 2, 0, 0, 0, "nothing-waits", "no file waits"),
    ),
)


def a_report(clips: Sequence[Clip] = (), **changes: object) -> ReportData:
    counts: dict[str, object] = {
        "files": 4, "records": 4, "failures": (), "lost": (), "twice": (), "strangers": (),
        "unpublished": (), "extra_starts": 0,
    }  # fmt: skip
    drawn = a_picture(5)
    return ReportData(
        created="2026-01-02 03:04", machine="2 cores", runtime="host", seconds=9.0,
        audit=Audit(**{**counts, **changes}),  # type: ignore[arg-type]  # as above
        timeline=TIMELINE, pictures=TimelinePictures(drawn, drawn, drawn, drawn),
        times=(Spread("Commit", "outputs staged", 4, 0.0123, 0.2, 1.5),),
        sharing=Sharing(files=4, models=2, load_seconds=3.1), clips=tuple(clips), stills=(a_picture(3),),
        most_workers=2, functions=("echo", "thumbnail"), next_steps=(("headrace up", "start it"),),
    )  # fmt: skip


class Page(HTMLParser):
    """What a browser would load, run and show."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def shown(data: ReportData) -> str:
    return " ".join(Page(render_report(data)).text.split())


def test_the_page_loads_nothing_from_anywhere() -> None:
    page = Page(render_report(a_report([a_clip()])))
    addresses = [
        value
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in {"src", "href", "srcset", "action", "data", "poster"}
    ]
    assert addresses
    assert all(str(address).startswith("data:image/") for address in addresses)
    assert "url(" not in render_report(a_report())
    assert page.all("script") == []


def test_every_picture_has_a_text() -> None:
    pictures = Page(render_report(a_report([a_clip(), a_clip(source=Source.REAL)]))).all("img")
    assert len(pictures) == 4
    assert all(picture.get("alt") for picture in pictures)


def test_names_from_outside_are_text_and_can_hide_nothing() -> None:
    clips = [a_clip(name=HOSTILE, description=HOSTILE, view=HOSTILE, warnings=(HOSTILE,), expected=HOSTILE,
                    source=Source.REAL)]  # fmt: skip
    html = render_report(
        a_report(
            clips,
            failures=(a_failure(HOSTILE, HOSTILE),),
            lost=(Upload("echo", "uploads", HOSTILE, 1.0),),
            unpublished=(HOSTILE,),
        )
    )
    assert Page(html).all("script") == []
    assert "<script" not in html
    assert "\u202e" not in html
    assert "\x1b" not in html
    assert "{{7*7}}" in html
    assert "49" not in Page(html).text.replace(HOSTILE, "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b/é.dcm", "a b/é.dcm"), ("a\nb", "a\\nb"), ("a\u202eb", "a\\u202eb"),
        ("\ud800", "\\ud800"), ("\0", "\\x00"),
    ],
)  # fmt: skip
def test_what_would_be_obeyed_is_shown(text: str, expected: str) -> None:
    assert visible(text) == expected


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0004, "0 ms"), (0.0126, "13 ms"), (1.26, "1.3 s"), (99.94, "99.9 s"), (612.0, "612 s")]
)  # fmt: skip
def test_durations_have_the_precision_they_deserve(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


def test_a_good_run_says_so_and_a_bad_one_says_what_is_wrong() -> None:
    assert "Nothing lost, nothing twice" in shown(a_report())
    bad = shown(
        a_report(records=3, failures=(a_failure(),), lost=(Upload("echo", "uploads", "echo/x", 1.0),))
    )
    assert "Nothing lost" not in bad
    assert "1 lost, 0 twice, 1 failed" in bad
    assert "echo/bad.dcm failed no pixel data (0 bytes)" in bad
    assert "line one" in bad


@pytest.mark.parametrize(("view", "verdict"), [("four-chamber", "right"), ("long axis", "wrong")])
def test_the_real_clips_view_is_reported_right_or_wrong(view: str, verdict: str) -> None:
    clip = a_clip(source=Source.REAL, view=view, expected="four-chamber", name="echo/real.dcm")
    assert f"It is: four-chamber {verdict}" in shown(a_report([clip]))


def test_it_says_what_it_is_not_and_that_no_container_was_used() -> None:
    text = shown(a_report())
    assert "not a medical device" in text
    assert "synthetic phantoms" in text
    assert "host: no container was used" in text


def test_derived_clips_with_a_known_view_are_judged_together() -> None:
    clips = [
        a_clip(source=Source.REAL, expected="four-chamber"),
        a_clip(expected="four-chamber"),
        a_clip(expected="four-chamber", view="short axis"),
    ]
    assert "Of the 2 clips derived from it, 1 were given the right view" in shown(a_report(clips))


def test_the_page_of_a_hundred_clips_stays_below_eight_megabytes() -> None:
    noise = base64.b64encode(b"x" * 45_000).decode()  # an upper bound of one thumbnail
    picture = Picture("image/webp", base64.b64decode(noise), 360, 270)
    html = render_report(a_report([a_clip(picture=picture) for _ in range(110)]))
    assert len(html.encode()) < 8_000_000


def test_a_clip_without_picture_or_probability_is_still_listed() -> None:
    text = shown(a_report([a_clip(picture=None, probability=None, name="echo/still.dcm")]))
    assert "no picture" in text
    assert "echo/still.dcm" in text


def test_the_timeline_is_told_in_words() -> None:
    assert a_report().timeline_text == (
        "Over 9 seconds: at most 4 files waited at once, up to 2 workers ran, "
        "4 files were finished at half time, 4 at the end."
    )


def test_each_decision_is_told_with_its_reason() -> None:
    text = shown(a_report())
    assert "200 ms echo: 0 to 2 workers, 4 files waiting, no node has room no-room" in text
    assert "9.0 s echo: 2 to 0 workers, no file waits nothing-waits" in text


def test_decisions_of_one_moment_are_one_mark_on_the_picture() -> None:
    one, two = (Scaling(3.0, name, 0, 1, 2, 1, "files-wait", "they wait") for name in ("a", "b"))
    pictures = {
        timeline_png(replace(TIMELINE, scalings=scalings))
        for scalings in ((), (one,), (one, two), (two, one))
    }
    assert len(pictures) == 3, "marks are drawn, with all their numbers; whose they are is in the list"


@pytest.mark.parametrize("look", [PLAIN, LIGHT, DARK, narrow(DARK)])
def test_the_timeline_is_drawn_at_the_size_of_its_look(look: Look) -> None:
    picture = png(timeline_png(TIMELINE, look))
    assert (picture.width, picture.height) == (int(look.width * 144), int(look.height * 144))


def test_an_empty_timeline_can_be_drawn() -> None:
    assert png(timeline_png(Timeline((), (), (), 0.0))).width > 0


def test_thumbnails_are_small_and_what_is_no_image_has_none() -> None:
    small = thumbnail(drawn_still(1), most_pixels=200)
    assert small is not None
    assert (small.width, small.height) == (200, 133)
    assert len(small.data) < 20_000
    assert thumbnail(b"not an image", most_pixels=200) is None
    assert thumbnail(drawn_still(1)[:500], most_pixels=200) is None


def test_drawn_stills_differ() -> None:
    assert len({drawn_still(number) for number in range(12)}) == 12


def test_the_page_names_only_known_colours() -> None:
    html = render_report(a_report())
    used = set(re.findall(r"var\((--[a-z-]+)\)", html))
    assert used <= set(re.findall(r"(--[a-z-]+):", html))
