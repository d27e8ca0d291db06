"""The report: right numbers, whole tables, words for every picture, nothing loaded, whatever lies in the folder."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import pandas as pd
import pytest
from helpers.making_results import write_cell, write_journal
from typer.testing import CliRunner

from medad.cli import app
from medad.functional.delong import compare_aucs
from medad.outputs.report import write_report
from medad.outputs.report.alarms import ALPHAS, GRID, chance_band
from medad.results.names import PICTURE_INDEX, PICTURES

EVIL = "<script>alert(1)</script>"
FORMULA = "=HYPERLINK(1)"
N = 100
ATTRIBUTES = {
    "scanner": [FORMULA if index % 3 else EVIL for index in range(N)],
    "age": [str(20 + index) for index in range(N)],
    "number": [f"ACC{index}" for index in range(N)],
    "site": ["only normal" if index < 20 else "" for index in range(N)],
}
POINT = {"spec95_threshold": 1.23, "spec95_sensitivity": 0.4, "spec95_specificity": 0.93, "spec95_ppv": 0.3}
PIXELS = {"pixel_auc": 0.9, "pixel_dice": 0.31, "pixel_dice_oracle": 0.52, "n_masks": 40}


@dataclass
class Page(HTMLParser):
    """What a reader of the page meets."""

    text: str
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    tables: dict[str, list[list[str]]] = field(default_factory=dict)
    _table: list[list[str]] = field(default_factory=list)
    _caption: bool = False
    _cell: bool = False

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "caption":
            self._caption, self._table = True, []
        elif tag == "tr":
            self._table.append([])
        elif tag in ("td", "th") and self._table:
            self._table[-1].append("")
            self._cell = True

    def handle_endtag(self, tag: str) -> None:
        self._caption = self._caption and tag != "caption"
        self._cell = self._cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._caption:
            self.tables[data] = self._table
        elif self._cell:
            self._table[-1][-1] += data.strip()

    def rows(self, caption: str) -> list[list[str]]:
        """The rows of a table, without headings and titles of blocks."""
        return [row for row in self.tables[caption][1:] if len(row) > 1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bench with two seeds, a sweep, a baseline on a dataset with a bad name, and a cell that has not finished."""
    out = tmp_path_factory.mktemp("bench")
    for seed in (0, 1):
        more = {**POINT, **PIXELS}
        cell = write_cell(out, seed=seed, attributes=ATTRIBUTES, calibration=49, masks=True, more=more)
        write_journal(cell)
    write_cell(out, rate=0.2, pictures=False)
    write_cell(out, dataset=EVIL, method="pca", network="-", shifts={"rec": 0.3}, pictures=False)
    (out / "cells" / "half").mkdir()
    write_report(out)
    return out


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def results(folder: Path, **wanted: object) -> list[dict[str, object]]:
    rows = [row for path in folder.glob("cells/*/result.json") for row in json.loads(path.read_text())["rows"]]
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def cases(folder: Path, seed: int = 0) -> pd.DataFrame:
    return pd.read_csv(next(folder.glob(f"cells/ddad_ae_seed{seed}_rate0.6_*/cases.csv")), keep_default_na=False)


def twin(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / "report" / f"{name}.csv")


def pairs_right(labels: np.ndarray, values: np.ndarray) -> float:
    return float(np.mean(values[labels == 1][:, None] > values[labels == 0][None]))


def test_the_summary_gives_each_score_with_interval_and_spread_over_seeds(folder: Path, page: Page) -> None:
    shown = next(rows for caption, rows in page.tables.items() if caption.startswith("toy: 60 + 40"))
    rows = results(folder, dataset="toy", score="inter", anomaly_rate=0.6)
    aucs, low, high = ([row[key] for row in rows] for key in ("auc", "auc_low", "auc_high"))
    expected = f"{mean(aucs):.3f} ({mean(low):.3f}\u2013{mean(high):.3f})"
    assert ["inter", expected] in [row[:2] for row in shown]
    assert any(f"{mean(aucs):.3f} ± {stdev(aucs):.3f}" in row for row in shown)


def test_every_table_has_a_csv_twin_with_all_of_its_rows(folder: Path, page: Page) -> None:
    names = {reference.removeprefix("report/") for reference in links(page) if reference.startswith("report/")}
    assert names == {path.name for path in (folder / "report").iterdir()}
    assert {"summary.csv", "comparisons.csv", "false_alarms.csv", "subgroups.csv", "operating_points.csv"} <= names
    assert len(twin(folder, "summary")) == 5
    assert len(twin(folder, "seeds")) == len(page.rows("Each seed by itself")) == 4
    assert len(twin(folder, "subgroups")) == len(page.rows("AUC by subgroup"))


def links(page: Page) -> Iterator[str]:
    for tag, attributes in page.tags:
        if tag == "a" and attributes.get("href"):
            yield str(attributes["href"])


def test_comparisons_are_paired_over_all_seeds_and_holm_corrected(folder: Path) -> None:
    first, second = cases(folder, 0), cases(folder, 1)
    values = {name: np.stack([first[name], second[name]], axis=1) for name in ("rec", "inter")}
    found = compare_aucs(first["label"].to_numpy(), values["rec"], values["inter"])
    table = twin(folder, "comparisons")
    row = table[(table["first"] == "ddad/ae, anomaly rate 0.6:rec") & (table["metric"] == "auc")].iloc[0]
    assert row["p"] == pytest.approx(found.p)
    assert row["difference"] == pytest.approx(found.difference)
    assert row["tests"] == 4  # two rates, AUC and AP


def test_holm_is_over_all_pairs_of_a_table(tmp_path: Path) -> None:
    shifts = {"a": 0.0, "b": 0.4, "c": 0.8, "d": 1.2}
    write_cell(tmp_path, shifts=shifts, pictures=False)
    write_report(tmp_path)
    table = twin(tmp_path, "comparisons").sort_values("p")
    assert len(table) == 2 * len(list(combinations(shifts, 2)))  # AUC and AP
    steps = table["p"].to_numpy() * np.arange(len(table), 0, -1)
    assert table["p_holm"].to_numpy() == pytest.approx(np.minimum(1, np.maximum.accumulate(steps)))


def test_text_alternatives_state_the_content_in_numbers(folder: Path, page: Page) -> None:
    pictures = [attributes.get("alt") for tag, attributes in page.tags if tag == "img"]
    drawings = [attributes.get("aria-label") for tag, attributes in page.tags if attributes.get("role") == "img"]
    assert len(pictures) == 12 * 4
    assert len(drawings) >= 10
    assert all(text and re.search(r"\d", text) for text in (*pictures, *drawings))
    table = cases(folder)
    auc = pairs_right(table["label"].to_numpy(), table["inter"].to_numpy())
    roc = next(text for text in drawings if text and text.startswith("ROC") and "rate 0.6" in text)
    assert f"inter {auc:.3f}" in roc
    assert sum(tag == "svg" for tag, _ in page.tags) == len(drawings) + len(page_bars(page))


def page_bars(page: Page) -> list[str | None]:
    return [attributes["aria-hidden"] for tag, attributes in page.tags if tag == "svg" and "aria-hidden" in attributes]


def test_nothing_is_loaded_and_nothing_is_run(page: Page) -> None:
    assert not {"script", "iframe", "object", "embed", "form", "base"} & {tag for tag, _ in page.tags}
    sources = [value for _, attributes in page.tags for key, value in attributes.items() if key in ("src", "srcset")]
    assert sources
    assert all(str(source).startswith("data:image/png;base64,") for source in sources)
    references = [str(attributes["href"]) for _, attributes in page.tags if "href" in attributes]
    assert all(one.startswith(("#", "report/", "data:,")) for one in references)
    assert all(one.startswith("#") for one in re.findall(r"url\(([^)]*)", page.text))
    assert not re.search(r"https?:|@import|\bon\w+=", page.text)
    policy = next(a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert str(policy).startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")


def test_links_lead_somewhere_and_no_id_is_there_twice(page: Page) -> None:
    ids = [str(attributes["id"]) for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    inside = {str(a["href"])[1:] for tag, a in page.tags if tag in ("a", "use") and str(a.get("href")).startswith("#")}
    assert inside
    assert inside <= set(ids)


def test_names_from_the_data_are_text_on_the_page_and_no_formula_in_a_spreadsheet(folder: Path, page: Page) -> None:
    assert "<script" not in page.text
    assert f"{EVIL} · pca" in [row[0] for row in page.rows("What was run on what")]
    assert f"'{FORMULA}" in set(twin(folder, "subgroups")["subgroup"])
    assert FORMULA not in set(twin(folder, "subgroups")["subgroup"])


def test_flagged_shares_are_counted_from_held_out_normals(folder: Path, page: Page) -> None:
    card = json.loads(next(folder.glob("cells/ddad_ae_seed0_rate0.6_*/model/model.json")).read_text())
    held_out, table = np.array(card["calibration"]["inter"]), cases(folder)
    values = table["inter"].to_numpy()
    p = (1 + (held_out[None] >= values[:, None]).sum(axis=1)) / (len(held_out) + 1)
    shown = twin(folder, "false_alarms").query("score == 'inter'").set_index("alpha")
    assert list(shown.index) == list(ALPHAS)
    for alpha in (0.05, 0.1, 0.2):
        assert shown.loc[alpha, "normals"] == pytest.approx((p[table["label"] == 0] <= alpha).mean())
        assert shown.loc[alpha, "abnormals"] == pytest.approx((p[table["label"] == 1] <= alpha).mean())
    assert np.isnan(shown.loc[0.01, "normals"])  # 49 held-out normals cannot promise 1 %
    assert ["inter", "0.01", "\u2013", "\u2013"] in page.rows("False alarms: asked for, and found")


def test_the_band_of_chance_holds_models_whose_promise_holds() -> None:
    rng, n, tested = np.random.default_rng(5), 80, 60
    low, high = chance_band(n, tested)
    place = int(np.flatnonzero(GRID == 0.1)[0])
    draws = 2000
    held_out = np.sort(rng.normal(size=(draws, n)), axis=1)
    threshold = held_out[:, n - int(0.1 * (n + 1))]
    share = (rng.normal(size=(draws, tested)) >= np.nextafter(threshold, np.inf)[:, None]).mean(axis=1)
    assert 0.93 <= np.mean((low[place] <= share) & (share <= high[place])) <= 0.99


def test_subgroups_are_judged_by_themselves(folder: Path, page: Page) -> None:
    table, found = cases(folder), twin(folder, "subgroups")
    own = table[table["attr:scanner"] == EVIL]
    row = found[found["subgroup"] == EVIL].iloc[0]
    assert row["inter"] == pytest.approx(pairs_right(own["label"].to_numpy(), own["inter"].to_numpy()))
    assert row["inter_low"] < row["inter"] < row["inter_high"]
    assert (row["n_normal"], row["n_abnormal"]) == ((own["label"] == 0).sum(), (own["label"] == 1).sum())
    assert ["only normal", "20", "0", "\u2013", "\u2013"] in page.rows("AUC by subgroup")


def test_numbers_are_cut_at_their_quartiles_and_names_are_not_shown(folder: Path, page: Page) -> None:
    found = twin(folder, "subgroups")
    ages = found[found["attribute"] == "age"]
    assert list(ages["n_normal"] + ages["n_abnormal"]) == [25, 25, 25, 25]
    assert ages["subgroup"].iloc[0] == "20 to 44.75"
    assert "number" not in set(found["attribute"])
    assert "ACC7" not in page.text
    assert "number is not shown" in page.text


def test_the_sweep_the_losses_and_the_record_of_the_run_are_shown(page: Page) -> None:
    drawings = [str(attributes["aria-label"]) for _, attributes in page.tags if attributes.get("role") == "img"]
    assert any(text.startswith("AUC of toy · ddad · ae by anomaly rate") and "at 0.2" in text for text in drawings)
    assert any("Training loss over 5 epochs. ndm0 from 1 to 0.2; ndm1" in text for text in drawings)
    assert ["torch", "2.13.0"] in page.tables["Code, packages and hardware"]


def test_operating_points_and_localization_are_named_for_what_they_are(page: Page) -> None:
    point = page.rows("Operating points")[0]
    assert point[:5] == ["rec", "spec95", "1.2300", "0.400", "0.930"]
    headings, first = page.tables["Localization: 40 studies with masks"][:2]
    shown = dict(zip(headings, first, strict=True))
    assert shown["Dice, threshold from normals"] == "0.310"
    assert shown["Dice, oracle threshold"] == "0.520"


def test_limits_follow_from_the_facts(page: Page) -> None:
    assert "do not compare with published figures" in page.text
    assert "One seed: how much another training run would differ" in page.text
    assert "For research only" in page.text
    assert "cells/half: not finished" in page.text


def test_what_is_missing_or_damaged_is_said_and_stops_nothing(tmp_path: Path) -> None:
    write_cell(tmp_path, seed=0, pictures=False)
    bare = write_cell(tmp_path, seed=0, rate=0.2, pictures=False)
    (bare / "cases.csv").unlink()
    (bare / "model" / "model.json").write_text("{")
    broken = write_cell(tmp_path, seed=0, rate=0.4, pictures=False)
    (broken / "result.json").write_text('{"rows": [{"dataset": 1}]}')
    old = write_cell(tmp_path, seed=0, rate=0.8, pictures=False)
    content = json.loads((old / "result.json").read_text())
    for row in content["rows"]:
        for key in ("auc_low", "auc_high", "ap_low", "ap_high", "title", "split"):
            del row[key]
        row["auc"] = "nonsense" if row["score"] == "rec" else row["auc"]
    (old / "result.json").write_text(json.dumps(content))
    page = Page(write_report(tmp_path).read_text())
    assert "no readable cases.csv" in page.text
    assert "no model card" in page.text
    assert f"{broken.name}: damaged" in page.text
    assert "This result has no intervals" in page.text
    assert "No case pictures" in page.text


JUNK: list[object] = ["x", 1e999, [[1], "y"], {"a": {"b": []}}]


def junked(content: object, junk: object, depth: int) -> object:
    """``content`` with everything ``depth`` levels down replaced."""
    if depth == 0:
        return junk
    if isinstance(content, dict):
        return {key: junked(value, junk, depth - 1) for key, value in content.items()}
    return [junked(value, junk, depth - 1) for value in content] if isinstance(content, list) else content


@pytest.mark.parametrize("place", ["result.json", "model/model.json", f"{PICTURES}/{PICTURE_INDEX}", "runs/cell.jsonl"])
def test_no_content_of_a_file_stops_the_report(tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for slow in ("curves", "histograms"):  # they draw from cases.csv, which stays as it is
        monkeypatch.setattr(f"medad.outputs.report.figures.{slow}", lambda group, drawing: [])
    write_cell(tmp_path, method="whole", counts=(6, 6), shifts={"rec": 1.0}, pictures=False)
    broken = write_cell(tmp_path, counts=(6, 6), shifts={"rec": 1.0}, calibration=19)
    if place.startswith("runs"):
        write_journal(broken)
    lines = (broken / place).read_text().splitlines() if place.startswith("runs") else [(broken / place).read_text()]
    contents = [json.loads(line) for line in lines if line.strip().endswith("}")]
    for junk in JUNK:
        for depth in (1, 2, 3):
            (broken / place).write_text("\n".join(json.dumps(junked(one, junk, depth)) for one in contents))
            text = write_report(tmp_path).read_text()
            assert "toy · whole · ae" in text


@pytest.mark.parametrize(
    "table", ["", "id\n", "id,label,rec\n", "id,label,rec\na,0,1\n", "id,label,rec\na,1,inf\nb,0,x\n", "\0"]
)
def test_no_table_of_cases_stops_the_report(tmp_path: Path, table: str) -> None:
    cell = write_cell(tmp_path, counts=(6, 6), shifts={"rec": 1.0}, calibration=19, pictures=False)
    (cell / "cases.csv").write_text(table)
    assert "toy · ddad · ae" in write_report(tmp_path).read_text()


@pytest.mark.parametrize("name", ["../secret.png", "/etc/hostname", "link.png", "text.png", 7, None])
def test_only_small_pictures_right_in_the_folder_are_shown(tmp_path: Path, name: object) -> None:
    cell = write_cell(tmp_path)
    secret = (cell / PICTURES / "00-image.png").read_bytes()[:8] + b"SECRET-4711"
    (cell / "secret.png").write_bytes(secret)
    (cell / PICTURES / "link.png").symlink_to(cell / "secret.png")
    (cell / PICTURES / "text.png").write_text("SECRET-4711")
    index = json.loads((cell / PICTURES / PICTURE_INDEX).read_text())
    for entry in index["cases"]:
        entry["image"] = name
    (cell / PICTURES / PICTURE_INDEX).write_text(json.dumps(index))
    page = Page(write_report(tmp_path).read_text())
    assert sum(tag == "img" for tag, _ in page.tags) == 12 * 2  # the two maps of each, and no image


def test_a_trained_model_without_a_test_gets_its_card_and_its_losses(tmp_path: Path) -> None:
    cell = write_cell(tmp_path / "elsewhere", pictures=False)
    (cell / "model").rename(tmp_path / "model")
    write_journal(tmp_path)
    for path in cell.glob("*"):
        path.unlink()
    cell.rmdir()
    page = Page(write_report(tmp_path).read_text())
    assert "trained and not tested here" in page.text
    assert "Training loss over 5 epochs" in page.text
    assert ["known normal studies", "30"] in page.tables["Trained on"]


@pytest.mark.parametrize("made", [False, True])
def test_a_folder_without_results_is_wrong_input(tmp_path: Path, made: bool) -> None:
    folder = tmp_path / "empty"
    if made:
        (folder / "data").mkdir(parents=True)
    done = CliRunner().invoke(app, ["report", str(folder)])
    assert done.exit_code == 2
    assert "error:" in done.output.lower()
    assert str(folder) in done.output


def test_the_page_begins_with_what_the_results_say_and_what_speaks_against_them(tmp_path: Path) -> None:
    """Of unlabeled studies whose labels nobody knows, their number is shown, in every table that speaks of them."""
    unknown = {"n_unlabeled": 80, "n_unlabeled_abnormal": None, "anomaly_rate": None}
    cell = write_cell(tmp_path, shifts={"rec": 0.0}, more={**unknown, "loss_fall": 0.3}, pictures=False)
    write_cell(tmp_path, method="max_intensity", network="-", shifts={"max": 2.0}, more=unknown, pictures=False)
    card = json.loads((cell / "model" / "model.json").read_text())
    card["settings"]["unlabeled"], card["trained_on"]["unlabeled"] = None, 80
    (cell / "model" / "model.json").write_text(json.dumps(card))
    page = Page(write_report(tmp_path).read_text())
    top = page.text[: page.text.index("<nav")]
    assert top.index("no method is better than the trivial baseline max_intensity:max") < top.index("the highest AUC")
    assert "(!) not shown to separate normal from abnormal studies" in top
    assert "(!) trained too little: the loss was still falling at the end: ddad/ae rec" in top
    assert ["rec (!)"] in [row[:1] for row in page.rows("toy: 60 + 40 test studies (normal + abnormal)")]
    runs = [row for row in page.rows("What was run on what") if "ddad" in row[0]]
    assert runs[0][4] == "80 unknown"
    assert list(twin(tmp_path, "settings").query("key == 'unlabeled'")["value"]) == ["all: 80"]


def test_the_command_says_where_the_page_is(folder: Path) -> None:
    done = CliRunner().invoke(app, ["report", str(folder)])
    assert (done.exit_code, done.output) == (0, f"report: {folder / 'report.html'}\n")
