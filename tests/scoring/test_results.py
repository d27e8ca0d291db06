"""The tables that batch scoring leaves behind."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import pyarrow.parquet as pq
import pytest

from medad.model import Card
from medad.scoring.columns import Columns, Digests
from medad.scoring.core.entries import CaseRow, Entry
from medad.scoring.core.flagging import Verdicts
from medad.scoring.core.identifiers import Identifiers, Level, pseudonym
from medad.scoring.core.settings import ScoringError
from medad.scoring.results import settings_digest, write_results

DIGESTS = Digests("m" * 16, "s" * 16)
KNOWN: dict[str, Any] = {
    "calibration": {"rec": tuple(float(one) for one in range(19))},
    "thresholds": {"rec": {"youden": 40.0, "sensitivity 95%": 20.0}},
}


def card(**known: Any) -> Card:
    made = {"method": "ddad", "settings": {}, "seed": 0, "trained_on": {}, "map_scale": {"rec": 1.0, "intra": 1.0}}
    return Card(**{**made, **known})


def verdicts(known: dict[str, Any] = KNOWN, **chosen: Any) -> Verdicts:
    return Verdicts(card(**known), ("rec", "intra"), "rec", **chosen)


def row(name: str, status: str = "scored", rec: float = 1.0, **more: Any) -> CaseRow:
    scores = {"rec": rec, "intra": -rec} if status == "scored" else {}
    stands_for = {key: more.pop(key) for key in ("level", "identifiers") if key in more}
    return CaseRow(name, more.pop("count", 1), Entry(status, scores=scores, **more), **stands_for)


def columns(rules: Verdicts | None = None, uids: bool = False) -> Columns:
    return Columns(rules or verdicts(), DIGESTS, uids)


RADIOGRAPH, SERIES = Identifiers("a" * 16, "b" * 16, "1f" * 8), Identifiers("a" * 16, "c" * 16)
ROWS = [
    row(
        "a.dcm",
        rec=17.5,
        slices=1,
        heatmap="heatmaps/ab/ab.png",
        seconds=1.25,
        level="instance",
        identifiers=RADIOGRAPH,
    ),
    row("b.txt", "skipped", reason="it is text"),
    row("c/d", rec=99.0, slices=30, count=30, level="series", identifiers=SERIES),
    row("e.dcm", "failed", reason='its header, "x" and\nmore, makes no sense'),
]


def test_names_are_neither_computed_nor_hidden(tmp_path: Path) -> None:
    names = ("=cmd()|x", "a\u202efdp.exe", "b\u2028c", "|d", "\uff1de")
    write_results([row(name, "failed", reason=name) for name in names], tmp_path, columns())
    table = pd.read_csv(tmp_path / "scores.csv", keep_default_na=False, dtype=str)
    seen = ["'=cmd()|x", "a\\u202efdp.exe", "b\\u2028c", "'|d", "'\uff1de"]
    assert table["file"].tolist() == table["reason"].tolist() == seen
    page = (tmp_path / "triage.html").read_text(encoding="utf-8")
    assert not set("\u202e\u2028") & set(page)


def test_every_column(tmp_path: Path) -> None:
    assert write_results(ROWS, tmp_path, columns()) == {"scored": 2, "skipped": 1, "failed": 1}
    table = pd.read_csv(tmp_path / "scores.csv", keep_default_na=False, dtype=str)
    scores = ["rec", "intra", "rec_percentile", "rec_p", "flag_alpha", "flag_threshold", "flagged_by"]
    keys = ["case", "level", "study_key", "series_key"]
    begin, end = [*keys, "file", "status", "reason", "files", "slices"], ["heatmap", "model", "settings"]
    assert list(table) == [*begin, *scores, *end]
    first, second, third, last = table.to_dict("records")
    assert [first[name] for name in scores] == ["17.5", "-17.5", "90.0", "0.1", "false", "false", ""]
    assert [third[name] for name in scores] == [
        "99.0",
        "-99.0",
        "95.0",
        "0.05",
        "true",
        "true",
        "alpha;threshold:youden",
    ]
    assert [second[name] for name in scores] == [""] * 7
    assert [first[name] for name in keys] == ["1f" * 8, "instance", "a" * 16, "b" * 16]
    assert [third[name] for name in keys] == ["c" * 16, "series", "a" * 16, "c" * 16]
    assert [last[name] for name in keys] == [pseudonym("e.dcm"), "file", "", ""]
    assert (third["files"], third["slices"], first["heatmap"]) == ("30", "30", "heatmaps/ab/ab.png")
    assert last["reason"] == 'its header, "x" and\\x0amore, makes no sense', "a row is one line"
    assert (last["model"], last["settings"]) == ("m" * 16, "s" * 16)
    timings = pd.read_csv(tmp_path / "timings.csv")
    assert timings.to_dict("list") == {"file": ["a.dcm", "b.txt", "c/d", "e.dcm"], "seconds": [1.25, 0, 0, 0]}


def test_uids_are_in_columns_of_their_own_and_change_no_key(tmp_path: Path) -> None:
    stated = [Identifiers("1.2.1", "1.2.1.3", ""), Identifiers("1.2.1", "1.2.1.4", "1.2.1.4.9")]
    levels = ("series", "instance")
    tables = {}
    for uids in (False, True):
        rows = [
            row(f"{level}.dcm", level=level, identifiers=uid if uids else uid.pseudonyms())
            for level, uid in zip(levels, stated, strict=True)
        ]
        write_results([*rows, row("a.png")], tmp_path, columns(uids=uids))
        tables[uids] = pd.read_csv(tmp_path / "scores.csv", keep_default_na=False, dtype=str)
    names = ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"]
    assert list(tables[True])[4:7] == names
    pd.testing.assert_frame_equal(tables[True].drop(columns=names), tables[False])
    assert tables[True][names].to_numpy().tolist() == [
        ["1.2.1", "1.2.1.3", ""],
        ["1.2.1", "1.2.1.4", "1.2.1.4.9"],
        ["", "", ""],
    ]
    assert tables[False]["case"].tolist() == [pseudonym(key) for key in ("1.2.1.3", "1.2.1.4.9", "a.png")]
    page = (tmp_path / "triage.html").read_text(encoding="utf-8")
    assert '"series 1.2.1.3"' in page
    assert f'"{pseudonym("a.png")} (file)"' in page


def test_every_column_and_every_level_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "tables.md").read_text(encoding="utf-8")
    table = columns(uids=True)
    names = [column.name for column in (*table.before(), *table.after())]
    documented = [
        name for line in page.splitlines() if line.startswith("| ") for name in line.split("|")[1].split(", ")
    ]
    assert [name for name in names if f"`{name}`" not in {cell.strip() for cell in documented}] == []
    assert [level for level in get_args(Level) if f"`{level}`" not in page] == []


def test_both_tables_say_the_same(tmp_path: Path) -> None:
    write_results(ROWS, tmp_path, columns())
    kept, text = pq.read_table(tmp_path / "scores.parquet").to_pandas(), pd.read_csv(tmp_path / "scores.csv")
    assert list(kept) == list(text)
    assert kept["flag_alpha"].tolist() == [False, None, True, None]
    for name in ("rec", "intra", "rec_percentile", "rec_p"):
        pd.testing.assert_series_equal(kept[name], text[name])
    assert kept["slices"].tolist() == text["slices"].tolist()


def test_the_page_has_the_rows_of_the_table(tmp_path: Path) -> None:
    facts = {"thumbnail": "thumbnails/ab/ab.jpg"}
    write_results([*ROWS, row("f.png", rec=50.0, facts=facts)], tmp_path, columns(), "Scores of inbox")
    text = (tmp_path / "triage.html").read_text(encoding="utf-8")
    places = [text.index(f'["{name}"') for name in ("c/d", "f.png", "a.dcm", "e.dcm", "b.txt")]
    assert places == sorted(places), "the worst first"
    assert '99.0,0.05,3,"",""]' in text
    assert '50.0,0.05,3,"thumbnails/ab/ab.jpg",""]' in text
    assert "flagged where p is at most alpha = 0.05" in text
    assert "19 normal cases that were held out of training" in text
    assert "flagged where rec is above 40" in text
    assert "Scores of inbox" in text


def test_a_model_that_knows_little_has_fewer_columns(tmp_path: Path) -> None:
    write_results(ROWS, tmp_path, columns(verdicts({})))
    table = pd.read_csv(tmp_path / "scores.csv")
    assert [name for name in table if name.startswith(("flag", "rec_", "intra_"))] == []
    text = (tmp_path / "triage.html").read_text(encoding="utf-8")
    assert text.index('["c/d"') < text.index('["a.dcm"'), "the worst first"
    assert "flagged where" not in text
    assert "No p-value and no percentile: the model has no held-out normals" in text


def test_names_from_outside_cannot_harm(tmp_path: Path) -> None:
    names = [
        "=HYPERLINK(1)",
        "+1+1",
        "-2+3",
        "@SUM(A1)",
        "\tx",
        "\rx",
        "caf\udce9.dcm",
        'quo"te,comma.png',
        "漢字 ☢.nii",
    ]
    write_results([row(name) for name in names], tmp_path, columns())
    with (tmp_path / "scores.csv").open(encoding="utf-8", newline="") as file:
        cells = [line["file"] for line in csv.DictReader(file)]
    assert cells == [*(f"'{name}" for name in names[:4]), "\\x09x", "\\x0dx", "caf\\xe9.dcm", *names[7:]]
    assert pq.read_table(tmp_path / "scores.parquet")["file"].to_pylist()[:2] == names[:2]
    with (tmp_path / "scores.csv").open(encoding="utf-8", newline="") as file:
        assert next(csv.DictReader(file))["intra"] == "-1.0", "a number needs no guard"


def test_the_same_rows_are_the_same_bytes_and_an_empty_folder_has_tables(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_results(ROWS, tmp_path / name, columns())
    for name in ("scores.csv", "scores.parquet"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert write_results([], tmp_path, columns()) == {}
    assert len(pd.read_csv(tmp_path / "scores.csv")) == len(pq.read_table(tmp_path / "scores.parquet")) == 0


def test_a_table_that_cannot_be_finished_leaves_the_one_before(tmp_path: Path) -> None:
    write_results(ROWS, tmp_path, columns())
    before = (tmp_path / "scores.csv").read_bytes()

    def broken() -> Iterator[CaseRow]:
        yield ROWS[0]
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_results(broken(), tmp_path, columns())
    assert (tmp_path / "scores.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("known", "chosen", "rec", "flagged"),
    [
        (KNOWN, {}, 17.0, False),
        (KNOWN, {"alpha": 0.2}, 17.0, True),
        (KNOWN, {"threshold": 16.0}, 17.0, True),
        (KNOWN, {"threshold": 17.0}, 17.0, False),
        (KNOWN, {"point": "sensitivity 95%", "alpha": 0.01}, 21.0, True),
        (KNOWN, {"alpha": 0.01}, 21.0, False),
        ({"percentiles": {"rec": tuple(range(101))}}, {}, 99.5, False),
        ({}, {}, 9.0, False),
        ({}, {"threshold": 8.0}, 9.0, True),
    ],
)
def test_what_is_flagged(known: dict[str, Any], chosen: dict[str, Any], rec: float, flagged: bool) -> None:
    said = verdicts(known, **chosen)
    assert said.flagged([{"rec": rec, "intra": 0.0}]).tolist() == [flagged]
    assert not said.cannot_flag or not flagged


def test_percentiles_are_among_normals_that_training_did_not_see() -> None:
    """One of n held-out normals resolves 1 / (n + 1): a score above them all is not at 100."""
    columns = verdicts({"calibration": {"rec": (1.0, 2.0, 3.0)}}).of([{"rec": x, "intra": 0.0} for x in (0, 2.5, 9)])
    assert columns["rec_percentile"].tolist() == [0.0, 50.0, 75.0]
    assert columns["rec_p"].tolist() == [1.0, 0.5, 0.25]


def test_percentiles_of_an_earlier_model_are_those_of_training_and_not_shown(tmp_path: Path) -> None:
    old = verdicts({"percentiles": {"rec": tuple(range(101)), "intra": tuple(range(101))}})
    assert old.columns() == []
    assert "no held-out normals" in old.cannot_flag
    write_results(ROWS, tmp_path, columns(old))
    assert not [name for name in pd.read_csv(tmp_path / "scores.csv") if "percentile" in name]


def test_too_few_held_out_normals_for_alpha_are_said() -> None:
    few = verdicts({"calibration": {"rec": tuple(range(8))}})
    assert "with 8 held-out normals no p-value is below 0.11" in few.cannot_flag
    assert "it needs 19" in few.cannot_flag
    assert any("No case can be flagged" in sentence for sentence in few.sentences())
    assert not verdicts({"calibration": {"rec": tuple(range(8))}}, alpha=0.2).cannot_flag


@pytest.mark.parametrize(
    ("rec", "chosen", "by"),
    [
        (17.0, {}, ""),
        (30.0, {"threshold": 29.0}, "alpha;threshold:given"),
        (30.0, {"point": "youden"}, "alpha"),
        (16.0, {"threshold": 15.0}, "threshold:given"),
        (21.0, {"alpha": 0.01, "point": "sensitivity 95%"}, "threshold:sensitivity 95%"),
    ],
)
def test_each_flag_names_the_rule_and_the_operating_point(rec: float, chosen: dict[str, Any], by: str) -> None:
    said = verdicts(KNOWN, **chosen)
    assert said.of([{"rec": rec, "intra": 0.0}])["flagged_by"].tolist() == [by]
    assert said.flagged([{"rec": rec, "intra": 0.0}]).tolist() == [bool(by)]


def test_the_page_names_score_and_map_and_why(tmp_path: Path) -> None:
    known = {**KNOWN, "score": "rec", "map": "intra", "map_check": {"rec": 0.5, "intra": 0.875}}
    known["map_threshold"] = {"intra": 0.25}
    write_results(ROWS, tmp_path, columns(verdicts(known)))
    text = (tmp_path / "triage.html").read_text(encoding="utf-8")
    assert "Ranked by <b>rec</b>. Map drawn: <b>intra</b>" in text
    assert "its pixel AUROC is 0.88 (rec 0.50)" in text
    assert '0.25<i style="background-image: linear-gradient' in text
    assert verdicts(known, map="rec").why_map == "It is that of the ranking score rec."
    assert verdicts().map == "rec", "a card of an earlier version names no map: that of the score is drawn"


@pytest.mark.parametrize(
    ("known", "ends"),
    [
        ({}, (0.0, 1.0)),
        ({"map_threshold": {"rec": 0.5}}, (0.5, 1.0)),
        ({"map_threshold": {"rec": 2.0}}, (0.0, 1.0)),
        ({"map_threshold": {"rec": -3.0}, "map_scale": {"rec": -1.0}}, (-3.0, -1.0)),
    ],
)
def test_colors_start_where_normals_end(known: dict[str, Any], ends: tuple[float, float]) -> None:
    assert card(**known).color_range("rec") == ends


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"score": "dual"}, "choose from rec, intra"),
        ({"map": "dual"}, "no map 'dual' in this model: choose from rec, intra"),
        ({"alpha": 1.5}, "alpha=1.5"),
        ({"point": "best"}, "it has youden, sensitivity 95%"),
        ({"point": "youden", "threshold": 1.0}, "not both"),
    ],
)
def test_wrong_choices_are_refused(chosen: dict[str, Any], said: str) -> None:
    with pytest.raises(ScoringError, match=said):
        Verdicts(card(**KNOWN), ("rec", "intra"), **{"score": "rec", **chosen})


def test_what_decides_is_in_the_digest_of_the_settings() -> None:
    kinds = [verdicts(), verdicts(alpha=0.1), verdicts(threshold=5.0), verdicts({}), verdicts(point="sensitivity 95%")]
    digests = [settings_digest(one, force=False) for one in kinds] + [settings_digest(kinds[0], force=True)]
    assert len(set(digests)) == 6
    assert settings_digest(verdicts(), force=False) == digests[0]


def test_other_words_for_the_rules_change_no_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    before = settings_digest(verdicts(), force=False)
    monkeypatch.setattr(Verdicts, "sentences", lambda self: ["In quite other words."])
    assert settings_digest(verdicts(), force=False) == before


def test_two_thresholds_that_read_alike_have_two_digests() -> None:
    near = [settings_digest(verdicts(threshold=value), force=False) for value in (5.0, 5.0000000001)]
    assert len(set(near)) == 2


def test_a_pseudonym_hides_the_uid_and_stays_the_same() -> None:
    assert len(pseudonym("1.2.840.1")) == 16
    assert pseudonym("1.2.840.1") == pseudonym("1.2.840.1") != pseudonym("1.2.840.2")


@pytest.mark.slow
def test_memory_does_not_grow_with_the_table(tmp_path: Path) -> None:
    """A million rows take little more than 50,000: in a process of its own, by its peak."""
    code = (
        "import sys, resource, pathlib; sys.path.insert(0, sys.argv[3])\n"
        "from test_results import columns, row\n"
        "from medad.scoring.results import write_results\n"
        "rows = (row(f'folder/{i:07}.dcm', rec=i % 97 / 3) for i in range(int(sys.argv[1])))\n"
        "write_results(rows, pathlib.Path(sys.argv[2]), columns())\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    peaks = []
    for count in (50_000, 1_000_000):
        arguments = [sys.executable, "-c", code, str(count), str(tmp_path), str(Path(__file__).parent)]
        peaks.append(int(subprocess.run(arguments, capture_output=True, text=True, check=True).stdout))
    assert peaks[1] < 1.15 * peaks[0]
