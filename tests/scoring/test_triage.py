"""The triage page: what is in it, and how it behaves in a real browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.browser import Browser, needs_browser
from PIL import Image

from medad.outputs.pictures import Scale
from medad.outputs.triage import About, Item, Worst, write_triage
from medad.text import visible

ABOUT = About(
    *("m" * 16, "s" * 16, "r_dual", "Inbox of today", ("Flagged where p <= 0.05.",)),
    scale=Scale("rec", 0.25, 1.5),
    chosen="It marks synthetic lesions best.",
    normals=99,
    alpha=0.04,
    limit=("sensitivity_90", 27.8),
)
NASTY = "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=2>&amp;\u2028'\"`${1}.dcm"


def page(out: Path, items: list[Item], about: About = ABOUT, **limits: int) -> Path:
    worst = Worst(**limits)
    for item in items:
        worst.add(item)
    return write_triage(out, worst, about)


def rows_of(path: Path) -> list[list[Any]]:
    text = re.search(r'id="data">(.*?)</script>', path.read_text(encoding="utf-8"), re.DOTALL)
    assert text
    rows: list[list[Any]] = json.loads(text[1])
    return rows


def scored(name: str, score: float, **more: Any) -> Item:
    return Item(name, "ab" * 8, "scored", slices=1, score=score, **more)


def test_worst_first_then_failed_then_skipped(tmp_path: Path) -> None:
    items = [
        Item("t.txt", "c", "skipped", "it is text"),
        scored("a", 0.5),
        scored("b", 2.0, flag=1),
        Item("x.dcm", "d", "failed", "it is truncated"),
        scored("c", 0.5),
    ]
    assert [row[0] for row in rows_of(page(tmp_path, items))] == ["b", "a", "c", "x.dcm", "t.txt"]
    text = (tmp_path / "triage.html").read_text(encoding="utf-8")
    assert "3 scored, 1 skipped, 1 failed; <b>1</b> flagged" in re.sub(r"\s+", " ", text)
    assert not list(tmp_path.glob("*.part"))


def test_only_the_worst_are_kept_and_the_page_says_so(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = rng.permutation(1000).tolist()
    items = [scored(f"{value}", value) for value in values] + [Item(f"f{i}", "x", "failed", "r") for i in range(9)]
    rows = rows_of(page(tmp_path, items, scored_most=50, others_most=4))
    assert [row[0] for row in rows] == [*(str(one) for one in range(999, 949, -1)), "f0", "f1", "f2", "f3"]
    text = re.sub(r"\s+", " ", (tmp_path / "triage.html").read_text(encoding="utf-8"))
    assert "<b>1,009</b> rows: 1,000 scored, 0 skipped, 9 failed" in text
    assert "holds 54 of them" in text


def test_an_empty_run_and_values_that_json_has_not(tmp_path: Path) -> None:
    assert rows_of(page(tmp_path, [])) == []
    row = rows_of(page(tmp_path, [scored("a", 1 / 3, p=float("inf"), flag=0)]))[0]
    assert row[5:8] == [0.333333, None, 0]


def test_names_from_outside_stay_text(tmp_path: Path) -> None:
    about = About("m", "s", "rec", f"{NASTY}\n{{{{ 7*7 }}}}")
    path = page(tmp_path, [scored(NASTY, 1.0), Item("x", "y", "failed", NASTY)], about)
    rows = rows_of(path)
    assert rows[0][0] == rows[1][3] == visible(NASTY)
    text = path.read_text(encoding="utf-8")
    assert text.count("<script") == 2
    assert "<img src=x" not in text
    assert "{{ 7*7 }}" in text


def test_nothing_is_fetched(tmp_path: Path) -> None:
    text = page(tmp_path, [scored("a", 1.0)]).read_text(encoding="utf-8")
    assert not re.findall(r"https?://|//cdn|@import|url\(", text)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """A page of 130 studies with pictures, three failed and two skipped files."""
    rng = np.random.default_rng(3)
    items = []
    for index in range(130):
        name = f"thumbnails/{index:02x}.jpg"
        (tmp_path / "thumbnails").mkdir(exist_ok=True)
        ramp = np.linspace(40, 200, 192)[None, :, None] + rng.normal(0, 12, (160, 192, 3))
        warm = ramp + np.array([90, 20, -40]) * np.exp(
            -((np.arange(192) - rng.integers(192)) ** 2)[None, :, None] / 900
        )
        Image.fromarray(np.concatenate([ramp, warm], axis=1).clip(0, 255).astype(np.uint8)).save(tmp_path / name)
        score = float(200 - index) / 7
        more = {"p": min(1.0, 0.01 + index / 130), "flag": 2 * (index < 6) + (index < 4)}
        items.append(scored(f"ward {index % 9}/röntgen/{index:05}/IM0001.dcm", score, thumbnail=name, **more))
    items += [Item(f"broken/{i}.dcm", f"{i}", "failed", "it holds 12 of the 512 bytes (truncated)") for i in range(3)]
    items += [Item("letter.txt", "l", "skipped", "it is text"), Item(NASTY, "n", "skipped", NASTY)]
    return page(tmp_path, items)


@needs_browser
def test_in_a_browser(browser: Browser, inbox: Path) -> None:
    """Order, pages, search, filter, sort and keys; nothing asked of any network; names cannot run."""
    browser.errors.clear()
    browser.requests.clear()
    browser.open(inbox)
    names = "[...document.querySelectorAll('#rows .file')].map(one => one.textContent)"
    assert browser.js(names)[:2] == ["ward 0/röntgen/00000/IM0001.dcm", "ward 1/röntgen/00001/IM0001.dcm"]
    assert browser.js("document.querySelectorAll('#rows li').length") == 50
    assert browser.js("document.querySelectorAll('#rows .mark.flagged').length") == 6
    settled = "new Promise(done => setTimeout(() => done(document.querySelector('#rows img').naturalWidth), 300))"
    assert browser.js(settled) == 384, "the first thumbnail is seen"

    texts = "[...one.querySelectorAll('.why')].map(line => line.textContent)"
    reasons = f"[...document.querySelectorAll('#rows li')].map(one => {texts})"
    first, *_, sixth, seventh = browser.js(reasons)[:7]
    assert first == [
        "flagged by: false-alarm rule (p = 0.01 ≤ alpha 0.04)",
        "flagged by: threshold 'sensitivity_90' (score 28.6 > 27.8)",
    ]
    assert sixth == [
        "flagged by: threshold 'sensitivity_90' (score 27.9 > 27.8)",
        "p = 0.048 > alpha 0.04: not by the false-alarm rule",
    ]
    assert seventh == []
    assert "99 of 99" in browser.js("document.querySelector('#rows li').textContent")
    assert "Map drawn: rec" in browser.js("document.querySelector('.scale').textContent")

    browser.key("ArrowRight")
    assert browser.js("document.getElementById('page').textContent") == "Page 2 of 3"
    assert browser.js(names)[0].startswith("ward 5/röntgen/00050")
    browser.key("ArrowDown")
    browser.key("Enter")
    assert browser.js("document.getElementById('large').open")
    assert browser.js("document.getElementById('large-name').textContent").startswith("ward 5/röntgen/00050")
    browser.key("j")
    assert browser.js("document.getElementById('large-name').textContent").startswith("ward 6/röntgen/00051")
    browser.key("Escape")
    assert not browser.js("document.getElementById('large').open")

    change = "(n, v) => { const e = document.getElementById(n); e.value = v; e.dispatchEvent(new Event('change')); }"
    browser.js(f"({change})('show', 'failed')")
    assert browser.js(names) == ["broken/0.dcm", "broken/1.dcm", "broken/2.dcm"]
    browser.js(f"({change})('show', 'all'); ({change})('sort', 'best')")
    assert browser.js(names)[0].startswith("ward 3/röntgen/00129")
    browser.js(f"({change})('sort', 'worst')")
    browser.key("/")
    browser("Input.insertText", text="IS TEXT")
    found = "new Promise(done => setTimeout(() => done(document.getElementById('found').textContent), 400))"
    assert browser.js(found) == "1 row"
    assert browser.js(names) == ["letter.txt"]
    browser.js("document.getElementById('search').value = 'onerror'")
    browser.js("document.getElementById('search').dispatchEvent(new Event('input'))")
    browser.js(found)
    assert browser.js(names) == [visible(NASTY)]
    assert browser.js("window.hacked === undefined")
    assert browser.errors == []
    assert all(url.startswith(("file:", "data:")) for url in browser.requests)


@needs_browser
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False), (390, True)])
def test_it_fits_its_window(browser: Browser, inbox: Path, width: int, dark: bool) -> None:
    browser.open(inbox, width, 844, dark)
    assert browser.js("document.documentElement.scrollWidth") <= width
    colors = browser.js("getComputedStyle(document.body).backgroundColor + getComputedStyle(document.body).color")
    light = [int(one) for one in re.findall(r"\d+", colors)]
    assert (light[0] < light[3]) == dark
    browser.js("new Promise(done => setTimeout(done, 300))")
    with Image.open(browser.shot(inbox.parent / "page.png")) as seen:
        assert seen.size == (width, 844)


@needs_browser
def test_fifty_thousand_rows_are_quick(browser: Browser, tmp_path: Path) -> None:
    """A generous multiple of what a quiet machine takes (1 s to load, 0.1 s a step), for a busy one."""
    rng = np.random.default_rng(5)
    values = rng.gamma(2, size=45_000).tolist()
    items = [scored(f"ward {i % 50}/2026/{i:06}/IM{i:06}.dcm", value, p=0.5, flag=0) for i, value in enumerate(values)]
    items += [Item(f"lost/{i:06}.dcm", f"{i:016x}", "failed", "it ends early (truncated)") for i in range(5_000)]
    path = page(tmp_path, items)
    browser.errors.clear()
    assert browser.open(path) < 10
    assert browser.js("document.getElementById('found').textContent") == "50,000 rows"
    timed = (
        "(() => { const start = performance.now(); const e = document.getElementById('sort'); e.value = 'file'; "
        "e.dispatchEvent(new Event('change')); document.body.offsetHeight; return performance.now() - start; })()"
    )
    assert browser.js(timed) < 5000
    assert browser.js(timed.replace("'sort'", "'show'").replace("'file'", "'failed'")) < 1000
    assert browser.js("document.getElementById('found').textContent") == "5,000 rows"
    browser.key("ArrowRight")
    assert browser.js("document.getElementById('page').textContent") == "Page 2 of 100"
    assert browser.errors == []
