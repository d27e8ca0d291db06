"""The report as a browser shows it: at the width of a desk and of a phone, light and dark, and on paper."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from helpers.browser import Browser
from helpers.making_results import write_cell, write_journal

from medad.outputs.report import write_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WIDTHS = (390, 1280)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium to open the report in")
MEASURE = """<!doctype html><body>{frames}<script>
addEventListener("load", () => {{
  const found = [...document.querySelectorAll("iframe")].map(frame => {{
    const page = frame.contentDocument, root = page.documentElement;
    const style = frame.contentWindow.getComputedStyle(page.body);
    page.querySelectorAll("details").forEach(one => one.open = true);
    return {{
      width: root.clientWidth, needed: root.scrollWidth, height: root.scrollHeight, paper: style.backgroundColor,
      small: [...page.querySelectorAll("svg text")].filter(one => one.getBoundingClientRect().height < 7).length,
      unseen: [...page.querySelectorAll("main img")].filter(one => one.naturalWidth === 0).length,
    }};
  }});
  document.title = JSON.stringify(found);
}});
</script>"""


def chromium(page: Path, *options: str) -> tuple[str, str]:
    """The DOM of a page after its scripts, and what the browser's console said."""
    flags = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--enable-logging=stderr",
        "--virtual-time-budget=4000",
    ]
    command = [str(CHROMIUM), *flags, "--allow-file-access-from-files", *options, page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("browser")
    attributes = {"scanner": ["a rather long name of a scanner <b>model</b>"] * 50 + ["B"] * 50}
    shifts = {name: 0.2 * place for place, name in enumerate(("single", "rec", "intra", "inter", "r_intra", "r_dual"))}
    for seed in (0, 1):
        cell = write_cell(out, seed=seed, attributes=attributes, calibration=99, masks=True, shifts=shifts)
        write_journal(cell)
    write_cell(out, network="memae", shifts=shifts, pictures=False)
    write_cell(out, dataset="a-name-without-any-place-to-break-it-" * 3, network="aeu", rate=0.2, pictures=False)
    return write_report(out)


def measure(page: Path, folder: Path, *options: str) -> tuple[list[dict[str, float]], str]:
    frames = "".join(
        f'<iframe src="{page.as_uri()}" style="border:0;width:{width}px;height:900px"></iframe>' for width in WIDTHS
    )
    (folder / "frames.html").write_text(MEASURE.format(frames=frames))
    dom, console = chromium(folder / "frames.html", "--dump-dom", *options)
    title = re.search(r"<title>(.*)</title>", dom)
    assert title, dom[:500]
    return json.loads(title.group(1)), console


def test_the_page_fits_a_desk_and_a_phone_without_an_error(page: Path, tmp_path: Path) -> None:
    found, console = measure(page, tmp_path)
    assert console == ""
    for width, one in zip(WIDTHS, found, strict=True):
        assert one["width"] == width
        assert one["needed"] <= width, "the page is wider than the window"
        assert one["height"] > 2000
        assert one["small"] == 0, "text in a figure is too small to read"
        assert one["unseen"] == 0, "a picture is not shown"


def test_a_table_that_is_wider_than_the_window_says_so(page: Path, tmp_path: Path) -> None:
    """Each table with columns out of sight has its hint on a phone, and no table has one without need."""
    tables = """Promise.resolve([...document.querySelectorAll("section > .wide")].map(one => {
      const hint = one.querySelector(".hint"), box = one.querySelector(".scroll");
      return [box.scrollWidth > box.clientWidth, hint.offsetHeight > 0 && getComputedStyle(hint).opacity > 0.5];
    }))"""
    browser = Browser(tmp_path / "profile")
    try:
        for width in WIDTHS:
            browser.open(page, width)
            time.sleep(1)
            shown = browser.js(tables)
            assert shown
            assert all(hinted == overflows for overflows, hinted in shown)
            assert width > 390 or any(overflows for overflows, _ in shown)
    finally:
        browser.close()


def test_the_measures_and_the_console_do_tell(page: Path, tmp_path: Path) -> None:
    """What the test above looks for is found where it is: too wide a page, and a request that the policy stops."""
    wide = '<div style="width:2000px">x</div><img src="http://127.0.0.1:9/x.png" alt="">'
    worse = tmp_path / "worse.html"
    worse.write_text(page.read_text().replace("</main>", f"{wide}</main>"))
    found, console = measure(worse, tmp_path)
    assert all(one["needed"] >= 2000 for one in found)
    assert all(one["unseen"] == 1 for one in found)
    assert "Content Security Policy" in console


def test_dark_is_dark_and_light_is_light(page: Path, tmp_path: Path) -> None:
    def brightness(*options: str) -> float:
        color = str(measure(page, tmp_path, *options)[0][0]["paper"])
        return sum(int(part) for part in re.findall(r"\d+", color)[:3]) / 3

    assert brightness() > 240
    assert brightness("--blink-settings=preferredColorScheme=0") < 40


def test_on_paper_the_folded_parts_are_there(page: Path, tmp_path: Path) -> None:
    def sheets(text: str) -> int:
        (tmp_path / "paper.html").write_text(text)
        chromium(tmp_path / "paper.html", f"--print-to-pdf={tmp_path / 'paper.pdf'}")
        return len(re.findall(rb"/Type\s*/Page\b", (tmp_path / "paper.pdf").read_bytes()))

    folded = page.read_text()
    assert "<details>" in folded
    assert sheets(folded) == sheets(folded.replace("<details>", "<details open>"))
    assert sheets(folded) > sheets(re.sub("<details>.*</details>", "", folded, flags=re.DOTALL))
