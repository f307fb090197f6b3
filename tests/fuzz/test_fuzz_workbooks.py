"""A bounded run of the fuzzer for workbooks; ``make fuzz`` runs it for as long as one likes."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.workbook_target import PARTS, WHOLE, check, packed
from sekimori.documents.workbook import CellText, read_workbook

SECONDS = 10


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is not installed here")
def test_ten_seconds_of_fuzzing_workbooks_find_no_fault(tmp_path: Path) -> None:
    harness = Path(__file__).with_name("workbook_harness.py")
    bounds = (f"-max_total_time={SECONDS}", "-max_len=8192", "-timeout=10", "-rss_limit_mb=1536")
    run = subprocess.run(
        [sys.executable, str(harness), *bounds, f"-artifact_prefix={tmp_path}/"],
        capture_output=True,
        text=True,
        timeout=SECONDS * 6,
        check=False,
    )
    found = [(path.name, path.read_bytes()) for path in tmp_path.iterdir()]
    assert (run.returncode, found) == (0, []), run.stderr[-4000:]


def test_the_package_that_fuzzing_starts_from_is_a_workbook() -> None:
    assert read_workbook(packed(0, [])).sheets == {"a": {(1, 1): CellText("x")}}


@settings(max_examples=150, deadline=None)
@given(which=st.integers(0, 255), given_=st.lists(st.binary(max_size=200), max_size=6))
def test_parts_of_chance_are_read_or_refused(which: int, given_: list[bytes]) -> None:
    check(bytes([which]) + b"\0".join(given_))


_PIECES = [
    "<row>",
    '<row r="9">',
    "</row>",
    "<c>",
    '<c r="B2" t="s">',
    '<c t="b">',
    "</c>",
    "<v>",
    "</v>",
    "<is><t>",
    "</t></is>",
    "0",
    "-1",
    "1e9",
    "あ",
    "&lt;",
    "<f>",
    "</f>",
    "<si>",
    "</si>",
    "<t>",
    "</t>",
]
_XML = st.lists(st.sampled_from(_PIECES), max_size=40).map("".join)


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(PARTS), xml=_XML, keeps=st.booleans())
def test_xml_of_chance_in_any_part_is_read_or_refused(name: str, xml: str, keeps: bool) -> None:
    whole = WHOLE.get(name, b"<x/>").decode()
    root, _, _ = whole.partition(">")
    part = f"{root.rstrip('/')}>{xml}</{root[1:].split()[0]}>" if keeps else xml
    check(bytes([1 << PARTS.index(name)]) + part.encode())
