"""``make requirements`` says the truth about what is proven."""

import importlib.util
import json
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TRACE = ROOT / "docs" / "requirements" / "trace.py"


@pytest.fixture(scope="module")
def trace():
    spec = importlib.util.spec_from_file_location("requirements_trace", TRACE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_every_row_that_must_be_proven_is_and_it_takes_seconds():
    started = time.monotonic()
    result = subprocess.run([sys.executable, str(TRACE)], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout.splitlines()[-1:] + result.stderr.splitlines()
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    ("target", "tested", "stands"),
    [
        pytest.param("proven", True, "proven", id="wanted and tested"),
        pytest.param("proven", False, "none", id="wanted and not tested"),
        pytest.param("partial", True, "partial", id="wanted in part and tested"),
        pytest.param("partial", False, "none", id="wanted in part and not tested"),
        pytest.param("later", False, "later", id="not wanted yet"),
        pytest.param("later", True, "partial", id="tested before it was wanted"),
    ],
)
def test_a_row_stands_where_its_tests_put_it(trace, target, tested, stands):
    row = trace.Row("X-1", "Something.", target)
    assert trace.status(row, {"X-1": ["test"]} if tested else {}) == stands


def test_marks_are_found_on_tests_classes_modules_and_cases(trace, tmp_path):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_it.py").write_text(
        textwrap.dedent(
            """
            import pytest
            pytestmark = pytest.mark.req("A-1")

            @pytest.mark.req("B-1", "B-2")
            def test_one(): ...

            @pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.req("C-1"))])
            async def test_two(x): ...

            @pytest.mark.req(*("F-1", "F-2"), *["F-3"])
            def test_five(): ...

            @pytest.mark.req("D-1")
            class TestThree:
                def test_four(self): ...

            def helper():
                return "pytest.mark.req('E-1')"
            """
        )
    )
    found = trace.marks(tmp_path / "tests")
    assert sorted(found) == ["A-1", "B-1", "B-2", "C-1", "D-1", "F-1", "F-2", "F-3"]
    assert found["B-2"] == ["tests/test_it.py::test_one"]
    assert found["C-1"] == ["tests/test_it.py::test_two"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('[{"id": "A", "en": "x.", "target": "soon"}]', id="an unknown target"),
        pytest.param(
            '[{"id": "A", "en": "x.", "target": "later"}, {"id": "A", "en": "y.", "target": "later"}]',
            id="a row twice",
        ),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(trace, text):
    with pytest.raises(ValueError, match=r"twice|unknown target"):
        trace.read_rows(text)


def test_the_shared_list_of_requirements_holds_the_same_rows(trace):
    shared = ROOT.parent / "shared" / "requirements" / "requirements.json"
    if not shared.is_file():
        pytest.skip("the shared folder is not here")
    wanted = [row["id"] for row in json.loads(shared.read_text("utf-8"))]
    assert [row.id for row in trace.read_rows(trace.ROWS.read_text("utf-8"))] == wanted
