"""Text, colours and pieces of HTML."""

from __future__ import annotations

import math
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mltoolkit.markup.colours import DARK, LIGHT, MARK_ON, TEXT_ON, contrast
from mltoolkit.markup.fragments import Html, card, details, facts, figure, gallery, heading, section, table
from mltoolkit.markup.sqnr_bars import sqnr_bar
from mltoolkit.markup.text import escaped, shown
from mltoolkit.markup.thumbnails import thumbnail_uri


@pytest.mark.parametrize(("name", "palette"), [("light", LIGHT), ("dark", DARK)])
def test_text_can_be_read_on_every_ground(name: str, palette: dict[str, str]) -> None:
    # WCAG 2.2, success criterion 1.4.3 (AA, text of any size).
    low = {pair: round(contrast(*(palette[part] for part in pair)), 2) for pair in TEXT_ON}
    assert min(low.values()) >= 4.5, {pair: ratio for pair, ratio in low.items() if ratio < 4.5}


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_marks_can_be_seen(palette: dict[str, str]) -> None:
    # Success criterion 1.4.11: lines and marks that carry a meaning.
    low = {pair: round(contrast(*(palette[part] for part in pair)), 2) for pair in MARK_ON}
    assert min(low.values()) >= 3, low


def test_contrast_agrees_with_known_ratios() -> None:
    # Examples of WebAIM's contrast checker, two decimals.
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)
    assert contrast("#0000ff", "#ffffff") == pytest.approx(8.59, abs=0.005)


def test_both_palettes_have_the_same_names() -> None:
    assert LIGHT.keys() == DARK.keys()


@given(st.text(max_size=400), st.integers(8, 100))
def test_shown_text_is_bounded_and_printable(text: str, limit: int) -> None:
    result = shown(text, limit)
    # An escaped control character takes up to ten characters.
    assert len(result) <= 10 * limit
    assert not any(ord(character) < 32 or 0x7F <= ord(character) < 0xA0 for character in result)


def test_ten_megabytes_become_two_hundred_characters() -> None:
    assert len(escaped("a" * 10_000_000)) == 200


def test_direction_marks_are_written_out() -> None:
    assert shown("exe\u202egpj.txt") == "exe\\u202egpj.txt"
    # Written to a file as UTF-8, half a surrogate pair would raise.
    shown("\ud800").encode()


class Page(HTMLParser):
    """The tags and attributes of a page, and whether every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


EVIL = "</td></style></script><script>alert(1)</script><img src=x onerror='alert(2)'>\" onload=\"x"


def test_nothing_given_becomes_markup() -> None:
    pieces = [
        heading(EVIL, EVIL),
        section(EVIL),
        facts([(EVIL, EVIL)]),
        table([EVIL], [[EVIL]], numeric=[EVIL]),
        details(EVIL, table((), [[EVIL]])),
        gallery([figure("data:image/jpeg;base64,AAAA", EVIL, [EVIL])]),
    ]
    page = Page(card(*pieces))
    assert not page.open
    assert "script" not in page.tags
    assert page.tags.count("img") == 1 and not {"onerror", "onload"} & page.attributes
    assert page.text.count(EVIL) >= 9


def test_bars_say_in_words_what_they_show() -> None:
    for decibels, words in ((31.26, "31.3 dB"), (math.inf, "equal"), (-math.inf, "nothing left"), (-3.0, "-3.0 dB")):
        assert words in Page(sqnr_bar(decibels)).text
    assert sqnr_bar(None) == ""
    assert isinstance(sqnr_bar(1.0), Html)
    assert "width:100%" in sqnr_bar(200.0) and "width:0%" in sqnr_bar(-3.0)


def test_thumbnails_are_small_and_unreadable_files_are_none(tmp_path: Path) -> None:
    # Noise is what compresses worst.
    picture = Image.effect_noise((2000, 1000), 80).convert("RGB")
    picture.save(tmp_path / "noise.png")
    uri = thumbnail_uri(tmp_path / "noise.png")
    assert uri.startswith("data:image/jpeg;base64,")
    assert len(uri) < 20_000, len(uri)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    assert thumbnail_uri(tmp_path / "broken.png") == ""
    assert thumbnail_uri(tmp_path / "gone.png") == ""
    assert picture.size == (2000, 1000)
