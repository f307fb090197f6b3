"""The dashboard and the rules, held against the metrics and asked of a real Prometheus."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from support.exposed import every_metric
from support.prometheus import needs, prometheus

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "dashboards"
RULES = FOLDER / "sekimori.rules.yml"


def panels():
    return [
        panel
        for panel in json.loads((FOLDER / "sekimori.json").read_text("utf-8"))["panels"]
        if panel["type"] != "row"
    ]


def panel_queries():
    return [(panel["title"], target["expr"]) for panel in panels() for target in panel["targets"]]


def rules():
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def everything_asked():
    """Every expression: of panels as Grafana would send it, of rules, and of alerts the value they watch."""
    from alerts import ALERTS, RECORDINGS

    asked = [
        (title, expr.replace("$__rate_interval", "10s").replace("$instance", ".*"))
        for title, expr in panel_queries()
    ]
    asked += [(each.record, each.expr) for each in RECORDINGS]
    asked += [(each.record, each.record) for each in RECORDINGS]
    return asked + [(alert.name, alert.probe or alert.value) for alert in ALERTS]


def named_in(expressions):
    """Return the metric names in expressions, with what Prometheus adds to histograms cut off."""
    names = re.findall(r"\bsekimori_[a-z_]+", " ".join(expressions))
    return {re.sub(r"_bucket$", "", name) for name in names}


def exposed_names():
    from prometheus_client import Counter

    return {each._name + ("_total" if isinstance(each, Counter) else "") for each in every_metric().values()}


@pytest.fixture(scope="module")
def answering(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prometheus")
    feeder = subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "support" / "exposed.py"), str(folder / "metrics")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert feeder.stdin is not None
    assert feeder.stdout is not None
    try:
        port = feeder.stdout.readline().strip()
        with prometheus(folder, [f"127.0.0.1:{port}"], RULES) as server:
            server.wait_for("count_over_time(up[1m]) >= 4")
            server.wait_for("sekimori:exchanges_not_parsed:ratio_rate30m")
            yield server
    finally:
        feeder.stdin.close()
        feeder.wait(10)
        feeder.stdout.close()


@pytest.mark.req("MOU-1-6")
def test_every_expression_is_answered_with_data_by_a_real_prometheus(answering):
    without = [f"{name}: {expr}" for name, expr in everything_asked() if not answering.query(expr)]
    assert not without


def test_no_answer_is_a_division_by_nothing(answering):
    wrong = [
        f"{name}: {expr}"
        for name, expr in everything_asked()
        for series in answering.query(expr)
        if series["value"][1] in {"NaN", "+Inf", "-Inf"}
    ]
    assert not wrong


def test_a_metric_that_is_only_counted_and_never_looked_at_does_not_exist():
    looked_at = named_in([expr for _, expr in panel_queries()] + [rule["expr"] for rule in rules()])
    assert exposed_names() - looked_at == set()


def test_nothing_asks_for_a_metric_that_does_not_exist():
    asked = named_in([expr for _, expr in panel_queries()] + [rule["expr"] for rule in rules()])
    assert asked - exposed_names() == set()


def test_nothing_asks_for_a_recorded_figure_that_no_rule_records():
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    text = " ".join([expr for _, expr in panel_queries()] + [rule["expr"] for rule in rules()])
    assert set(re.findall(r"\bsekimori:[a-z0-9_]+:[a-z0-9_]+", text)) == recorded


def test_the_committed_files_are_what_the_generator_writes():
    from generate import dashboard_text, rules_text

    assert (FOLDER / "sekimori.json").read_text("utf-8") == dashboard_text(), "run make dashboards"
    assert RULES.read_text("utf-8") == rules_text(), "run make dashboards"


def test_every_panel_has_its_title_in_japanese_first_and_in_english():
    for panel in panels():
        japanese, _, english = panel["title"].partition(" / ")
        assert re.search(r"[ぁ-んァ-ヶ一-龥]", japanese), panel["title"]
        assert english.isascii(), panel["title"]
        assert english, panel["title"]


def test_no_two_panels_lie_on_one_another_and_ids_are_unique():
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in panels()}) == len(panels())


def test_promtool_finds_nothing_wrong_with_the_rules():
    checked = subprocess.run(
        [needs("promtool"), "check", "rules", str(RULES)], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_own_faults_of_the_rules_are_those_that_start_at_zero():
    from alerts import RECORDINGS

    from sekimori import metrics

    expr = next(each.expr for each in RECORDINGS if each.record == "sekimori:own_faults:total")
    assert set(re.findall(r"DENY_[A-Z_]+", expr)) == set(metrics.OWN_FAULTS)
