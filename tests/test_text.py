"""Text from outside is never computed by a spreadsheet, never hidden, and comes back where medad reads it again."""

from __future__ import annotations

import pytest

from medad.text import cell, guarded, on_page, unguarded, visible

FORMULAS = [
    *(
        "=cmd()|x",
        "=1+1",
        "+49 30",
        "-x",
        "-2+3",
        "@now",
        "|calc",
        "\t=1",
        "\r=1",
        "\n=1",
        " =1",
        "\u00a0=1",
        "\ufeff=1",
    ),
    *("\u200b=1", "\u202e=1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20a", "\ufe661", "'=1"),
    *("''=1", "-5 to 3", "--", "-inf", "\u2028=1"),
]
PLAIN = ["", "-", "'-", "a=1", "-5", "+5", "-1e-5", "-.5", "3.", "x-ray", "'quoted", "Müller", "胸部", "a|b", "50 %"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_gets_an_apostrophe(text: str) -> None:
    assert guarded(text) == f"'{text}"
    assert cell(text).startswith(("'", "\\"))  # or what was not seen is now, and begins no formula


@pytest.mark.parametrize("text", PLAIN)
def test_other_text_and_numbers_stay_as_they_are(text: str) -> None:
    assert guarded(text) == text
    assert cell(text) == text


@pytest.mark.parametrize("text", FORMULAS + PLAIN)
def test_what_is_guarded_comes_back(text: str) -> None:
    assert unguarded(guarded(text)) == text
    assert guarded(unguarded(guarded(text))) == guarded(text)  # a table that is written again does not change


def test_numbers_stay_numbers_and_what_is_absent_is_empty() -> None:
    values = (-1.5, -3, 0.1, float("nan"), None, True, "-")
    assert [cell(value) for value in values] == ["-1.5", "-3", "0.1", "", "", "true", "-"]


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a\u202eb", "a\\u202eb"),
        ("\u2066a\u2069", "\\u2066a\\u2069"),
        ("a\u2028b\u2029", "a\\u2028b\\u2029"),
        ("a\nb\r\tc\0\x1b[31m\x7f\x85", "a\\x0ab\\x0d\\x09c\\x00\\x1b[31m\\x7f\\x85"),
        ("\u200b\ufeff\u00ad", "\\u200b\\ufeff\\xad"),
        ("\U000e0041", "\\U000e0041"),
        ("name\udcff.dcm", "name\\xff.dcm"),
        ("ä 胸 \u00a0", "ä 胸 \u00a0"),
    ],
)
def test_control_characters_are_made_visible(text: str, seen: str) -> None:
    assert visible(text) == seen
    assert visible(seen) == seen


def test_a_page_shows_control_characters_and_keeps_markup() -> None:
    class Markup(str):
        __slots__ = ()

    svg = Markup("<svg>\u202e</svg>")
    assert on_page("a\u202eb\n") == "a\\u202eb\n"
    assert on_page(svg) is svg
    assert on_page(3) == 3
