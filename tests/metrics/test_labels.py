"""What may stand in a label: words from closed sets, whoever counts."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sekimori import metrics
from sekimori.policy.reasons import Reason
from support.exposed import every_metric

ROOT = Path(__file__).parents[2]
SOURCES = [path for root in ("addons", "proxy", "storage", "console") for path in (ROOT / root).rglob("*.py")]

# How a value that is no literal is got from a closed set, by label.
COMPUTED = {
    "service": r"(.*\.)?service|metrics\.service_label\(.*\)|.*\.label",
    "reason": r"(.*\.)?\w+\.value",
    "dialect": r"(metrics\.)?dialect_label\(.*\)",
    "parse": r"(.*\.)?parse",
    "state": r"(.*\.)?state",
    "kind": r".*\bkind|\w*tunnel_kind\(.*\)",
    "role": r"role|role_of\(.*\)",
    "hook": r"hook\.name",
    "verdict": r"(.*\.)?verdict",
    "direction": r"direction",
    "result": r"'verified' if \w+ else 'wrong'|heard\.result\.value|silent\.result|'(refused|wrong)' if \w+ is None else '\w+'",
    "record": r"record",
}
NEVER = re.compile(r"\b(user|host|path|model|prompt|client|peer|address|purpose|text)\b")


def label_calls():
    """Every ``metrics.NAME.labels(...)`` in the program."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            owner = node.func.value
            if node.func.attr == "labels" and isinstance(owner, ast.Attribute) and owner.attr.isupper():
                where = f"{path.relative_to(ROOT)}:{node.lineno}"
                yield pytest.param(owner.attr, node.args, where, id=where)


@pytest.mark.req("MOU-1-6")
@pytest.mark.parametrize(("name", "arguments", "where"), list(label_calls()))
def test_what_is_counted_is_labelled_from_closed_sets_only(name, arguments, where):
    metric = every_metric()[name]
    assert len(arguments) == len(metric._labelnames), where
    for label, argument in zip(metric._labelnames, arguments, strict=True):
        if isinstance(argument, ast.Constant):
            known = metrics.LABEL_VALUES.get(metric, {}).get(label)
            assert known is None or argument.value in known, f"{where}: {label}={argument.value!r}"
            assert label != "service" or argument.value == "other", (
                f"{where}: {argument.value!r} is no service"
            )
        else:
            written = ast.unparse(argument)
            assert re.fullmatch(COMPUTED[label], written), f"{where}: {label} comes from {written}"
            assert not NEVER.search(written), f"{where}: {label} comes from {written}"


def test_every_label_is_of_a_closed_set_or_bounded_by_what_it_names():
    for metric in every_metric().values():
        closed = metrics.LABEL_VALUES.get(metric, {})
        assert set(metric._labelnames) - set(closed) <= {"service", "hook"}, metric._name


def test_every_reason_code_may_stand_in_a_decision():
    reasons = set(metrics.LABEL_VALUES[metrics.DECISIONS]["reason"])
    assert {reason.value for reason in Reason} <= reasons


def test_what_is_no_known_service_is_counted_as_other():
    assert metrics.service_label("openai-api", known=True) == "openai-api"
    assert metrics.service_label("evil.example\n", known=False) == "other"
    assert metrics.service_label(None, known=True) == "other"
    assert metrics.service_label("", known=True) == "other"


def test_what_is_no_known_dialect_is_counted_as_none():
    assert metrics.dialect_label("openai-chat") == "openai-chat"
    assert metrics.dialect_label("openai-realtime") == "openai-realtime"
    assert metrics.dialect_label("") == "none"
    assert metrics.dialect_label("a stranger's") == "none"


def test_every_name_says_its_program_and_its_unit():
    for metric in every_metric().values():
        assert metric._name.startswith("sekimori_"), metric._name
        assert metric._documentation.endswith("."), metric._name


@pytest.mark.parametrize(
    ("metric", "labels"),
    [
        pytest.param("sekimori_child_restarts_total", '{role="gate"}', id="a restart"),
        pytest.param("sekimori_archivist_faults_total", '{kind="alarm"}', id="an alarm about evidence"),
        pytest.param("sekimori_authentications_total", '{result="refused"}', id="a refused password"),
        pytest.param("sekimori_gate_errors_total", '{hook="record"}', id="an error of the gate"),
        pytest.param(
            "sekimori_decisions_total",
            '{reason="DENY_AUDIT_UNAVAILABLE",service="other",verdict="deny"}',
            id="a refusal for audit",
        ),
    ],
)
def test_what_an_alert_waits_for_is_zero_before_it_first_happens(fresh_exposition, metric, labels):
    assert f"{metric}{labels} 0.0" in fresh_exposition.splitlines()


@pytest.fixture(scope="module")
def fresh_exposition():
    script = "from sekimori import metrics; from prometheus_client import generate_latest as g; print(g().decode())"
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
