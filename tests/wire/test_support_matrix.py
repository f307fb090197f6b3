"""The support matrix says what the registry and the tests say, and every dialect is in a test of our own."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from sekimori.wire.dialects import DIALECTS
from sekimori.wire.sockets import SOCKETS
from support.traffic import needs_traffic

SCRIPT = Path(__file__).parents[2] / "docs" / "wire" / "matrix.py"
AGAIN = "run: python docs/wire/matrix.py --recorded"


@pytest.fixture(scope="module")
def matrix():
    spec = importlib.util.spec_from_file_location("wire_matrix", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(matrix):
    assert matrix.PAGE.read_text("utf-8") == matrix.page(), AGAIN


@pytest.mark.parametrize("name", sorted({one.name for one in DIALECTS} | {one.name for one in SOCKETS}))
def test_a_test_of_our_own_names_the_dialect(matrix, name):
    assert matrix.named_in_tests([name]).get(name)


def test_an_sdk_is_only_compared_in_dialects_that_there_are(matrix):
    assert set(matrix.oracles()) <= {one.name for one in DIALECTS}


@needs_traffic
def test_what_the_page_says_of_recorded_traffic_is_counted(matrix):
    assert json.loads(matrix.RECORDED.read_text("utf-8")) == matrix.count_recorded(), AGAIN
