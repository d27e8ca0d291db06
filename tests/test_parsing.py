"""JSON and YAML from outside end in a value within limits, or in an error that says where."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from medad.config import ConfigError, parse_overrides
from medad.parsing import ParseError, parse_json, quoted, read_json, read_text
from medad.parsing_yaml import DEPTH, parse_yaml, read_yaml
from medad.pipeline_files import read_pipeline

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", r"x, |x: not valid JSON: .*line 1, column 2"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a": ' * 100_000, "nested too deeply"),
        ("9" * 5000, "5000 digits"),
        ("-" + "9" * 30, "30 digits"),
        ("99999999999999999999", "64 bits"),
        ("1e999", "too large"),
        ("NaN", "NaN is no number"),
        ("[Infinity, 1]", "Infinity is no number"),
        ("-Infinity", "is no number"),
        ('{"a": 1, "b": 2, "a": 3}', "'a' is there twice"),
        ('{"a": {"b": 1, "b": 1}}', "'b' is there twice"),
        ("", "not valid JSON"),
        (b"\xff\xfe{", "not valid JSON"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_json_that_is_refused(text: str | bytes, said: str) -> None:
    with pytest.raises(ParseError, match=said) as caught:
        parse_json(text, "x")
    assert str(caught.value).startswith("x: ")
    assert len(str(caught.value)) < 300


def test_json_that_is_read() -> None:
    text = '{"a": [1, -2.5e3, null, true, "ü"], "b": {"c": 18446744073709551615}}'
    assert parse_json(text, "x") == {"a": [1, -2500.0, None, True, "ü"], "b": {"c": 2**64 - 1}}
    assert str(parse_json("[NaN]", "x", finite=False)) == "[nan]"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "not valid YAML"),
        ("[" * 100_000, "nested too deeply"),
        ("{a: " * 5_000, "nested too deeply"),
        ("a:\n" + "".join(" " * depth + "- \n" for depth in range(1, 300)), "nested too deeply|not valid YAML"),
        (BOMB, "line 1: anchors and aliases"),
        ("a: &a [*a]", "anchors and aliases"),
        ("a: &x 1\n<<: *x", "anchors and aliases"),
        ("a: " + "1" * 5000, "not valid YAML"),
        ("a: 99999999999999999999", "64 bits"),
        ("a: 0x" + "f" * 40, "64 bits"),
        ("a: .nan", "not a finite number"),
        ("a: [.inf]", "not a finite number"),
        ("a: 1\nb: 2\na: 3", "'a' is there twice"),
        ("a: {b: 1, b: 2}", "'b' is there twice"),
        ("a: 2020-13-45", "not valid YAML"),
        ("a: !!python/object/apply:os.system [id]", "not valid YAML"),
        ("a: 1\n---\nb: 2", "not valid YAML"),
        ("a: \0", "not valid YAML"),
        ("? [a, b]\n: 1", "not valid YAML"),
        ("[" + "1," * 60_000 + "1]", "too long"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_yaml_that_is_refused(text: str, said: str) -> None:
    began = time.process_time()
    with pytest.raises(ParseError, match=said) as caught:
        parse_yaml(text, "x")
    assert str(caught.value).startswith("x: ")
    assert len(str(caught.value)) < 500
    assert time.process_time() - began < 15


def test_yaml_that_is_read() -> None:
    assert parse_yaml("a: [1, 2.5, null, true]\nb: {c: ü}", "x") == {"a": [1, 2.5, None, True], "b": {"c": "ü"}}
    deep = "[" * (DEPTH - 1) + "]" * (DEPTH - 1)
    assert str(parse_yaml(deep, "x")) == deep


def test_only_regular_files_of_limited_size_in_utf8_are_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    big, sparse = tmp_path / "big", tmp_path / "sparse.yaml"
    big.write_bytes(b" " * 101)
    with sparse.open("wb") as file:
        file.truncate(2**40)
    latin = tmp_path / "latin"
    latin.write_bytes(b"a\nb\n\xe4\n")
    cases: list[tuple[Path, str]] = [
        (pipe, "not a regular file"),
        (Path("/dev/zero"), "not a regular file"),
        (tmp_path, "regular file|directory"),
        (tmp_path / "gone", "No such file"),
        (tmp_path / ("n" * 300), "too long"),
        (Path("a\0b"), r"a\\x00b: .*null"),
        (big, "larger than"),
        (latin, "line 3: not UTF-8"),
    ]
    for path, said in cases:
        with pytest.raises(ParseError, match=said):
            read_text(path, 100)
    with pytest.raises(ParseError, match="larger than"):
        read_yaml(sparse)
    (tmp_path / "bom.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(tmp_path / "bom.json") == {"a": 1}


@pytest.mark.parametrize(
    "item", ["members=" + "9" * 5000, "scores=" + "[" * 5000, "members=.nan", "a=&x 1", "epochs=2020-13-45", "a=\0"]
)
def test_a_setting_on_the_command_line_is_named_and_not_quoted_whole(item: str) -> None:
    with pytest.raises(ConfigError, match="--set") as caught:
        parse_overrides([item])
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB, "anchors"),
        ("[" * 100_000, "nested"),
        ("seeds: [" + "1" * 5000 + "]", "not valid YAML"),
        ("seeds: [9223372036854775808]", "seeds.0"),
        ("anomaly_rates: [2]", "anomaly_rates.0"),
        ("1: 2", "should be strings|not allowed"),
        (f"seeds: [{', '.join(map(str, range(2000)))}]", "seeds"),
        ("datasets: ['']", "datasets"),
        ("m\u202eethods: [ddad]", r"m\\u202eethods"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_pipeline_is_read_without_trust(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "p.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=said) as caught:
        read_pipeline(str(tmp_path / "p.yaml"))
    assert len(str(caught.value)) < 1500
    assert "\u202e" not in str(caught.value)


def test_a_quoted_value_is_short_and_hides_nothing() -> None:
    assert quoted("a\u202eb\n") == "'a\\u202eb\\n'"
    assert len(quoted("x" * 10**6)) < 100
    assert len(quoted({"a": "x" * 10**5})) < 100
