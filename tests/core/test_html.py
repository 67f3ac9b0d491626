"""Tables for a notebook: escaped, whole words, breaks where a name has its parts."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from lab_utils.core.text.html import facts_html, table_html


class Cells(HTMLParser):
    """Style and text of each cell, read back."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.styles: list[str] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"th", "td"}:
            self.styles.append(dict(attrs)["style"] or "")
            self.texts.append("")

    def handle_data(self, data: str) -> None:
        self.texts[-1] += data


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_what_stands_in_a_cell_is_what_is_read(texts: list[str]) -> None:
    assert Cells(table_html(texts, [])).texts == texts


def test_a_name_breaks_between_its_parts_only() -> None:
    html = table_html(["false_interruption_timeout"], [["calls/livekit_report/call.flac", "0.25 s", "a_law"]])
    assert "false_<wbr>interruption_<wbr>timeout" in html
    assert "calls/<wbr>livekit_<wbr>report/<wbr>call.<wbr>flac" in html
    assert ">0.25 s<" in html, "a number never breaks at its point"
    assert all("overflow-wrap:break-word" in style for style in Cells(html).styles)


def test_a_part_too_long_for_any_column_may_break_anywhere() -> None:
    html = table_html([], [["0123456789abcdef0123456789abcdef.wav"]])
    assert Cells(html).styles[0].endswith("overflow-wrap:anywhere")


def test_numbers_and_intervals_stay_in_one_piece() -> None:
    assert "<span style='white-space:nowrap'>(36.6–77.0)</span>" in table_html([], [["58.1 % (36.6–77.0)"]])
    assert Cells(table_html([], [["1,024.5"]])).styles[0].endswith("white-space:nowrap")


def test_facts_are_escaped() -> None:
    assert "&lt;b&gt;" in facts_html("title", [("name", "<b>")])
