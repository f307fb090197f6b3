"""Every alert fires when it has to and is quiet when all is well, as promtool sees it."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from support.prometheus import needs

ROOT = Path(__file__).parents[2]
RULES = ROOT / "dashboards" / "sekimori.rules.yml"
# One minute a sample; every case is looked at after 50 minutes.
AT = "50m"
TREE = 'job="sekimori", instance="gate-1:8082"'

WELL = {
    "up{%s}": "1x60",
    'sekimori_children_up{role="gate", %s}': "2x60",
    'sekimori_children_up{role="archivist", %s}': "1x60",
    'sekimori_children_up{role="publisher", %s}': "1x60",
    "sekimori_spool_queue_entries{%s}": "0x60",
    "sekimori_spool_bytes{%s}": "100x60",
    "sekimori_spool_high_water_bytes{%s}": "1000x60",
    "sekimori_spool_oldest_seconds{%s}": "1x60",
    "sekimori_policy_age_seconds{%s}": "30x60",
    'sekimori_policy_loads_total{result="refused", %s}': "0x60",
    'sekimori_policy_loads_total{result="swapped", %s}': "0+1x60",
    'sekimori_child_restarts_total{role="gate", %s}': "0x60",
    'sekimori_gate_errors_total{hook="record", %s}': "0x60",
    'sekimori_governing_calls_total{result="answered", %s}': "0+5x60",
    'sekimori_governing_calls_total{result="absent", %s}': "0x60",
    'sekimori_archivist_faults_total{kind="alarm", %s}': "0x60",
    'sekimori_archivist_faults_total{kind="busy", %s}': "0+0.5x60",
    "sekimori_ledger_checkpoint_age_seconds{%s}": "59x60",
    'sekimori_ledger_witness_answers_total{result="cosigned", %s}': "0+60x60",
    'sekimori_ledger_witness_answers_total{result="conflict", %s}': "0x60",
    'sekimori_ledger_witness_answers_total{result="unreachable", %s}': "0+0.2x60",
    "sekimori_ledger_unwitnessed_seconds{%s}": "60x60",
    "sekimori_ledger_unwitnessed_limit_seconds{%s}": "86400x60",
    'sekimori_ledger_outside_faults_total{kind="timestamp", %s}': "0x60",
    'sekimori_archived_entries_total{kind="unknown-crash", %s}': "3x60",
    'sekimori_authentications_total{result="refused", %s}': "0+5x60",
    'sekimori_exchanges_total{service="a", parse="parsed", state="complete", %s}': "0+95x60",
    'sekimori_exchanges_total{service="a", parse="unparsed", state="complete", %s}': "0+5x60",
    'sekimori_decisions_total{verdict="deny", reason="DENY_AUDIT_UNAVAILABLE", service="other", %s}': "0x60",
    'sekimori_decisions_total{verdict="deny", reason="DENY_CLOCK", service="other", %s}': "0x60",
    'sekimori_decisions_total{verdict="deny", reason="DENY_NO_GRANT", service="a", %s}': "0+20x60",
    'sekimori_durable_wait_seconds_bucket{record="intent", le="0.005", %s}': "0+100x60",
    'sekimori_durable_wait_seconds_bucket{record="intent", le="1.0", %s}': "0+100x60",
    'sekimori_durable_wait_seconds_bucket{record="intent", le="+Inf", %s}': "0+100x60",
}
GONE = None
_DENIED = 'sekimori_decisions_total{verdict="deny", reason="%s", service="%s", %%s}'
_LATE = "0x45 1x15"

TROUBLE = [
    pytest.param("SekimoriDown", {"up{%s}": "0x60"}, id="nothing answers"),
    pytest.param("SekimoriNoGateWorker", {'sekimori_children_up{role="gate", %s}': "0x60"}, id="no child"),
    pytest.param(
        "SekimoriNoGateWorker", {"sekimori_spool_queue_entries{%s}": GONE}, id="a child that does nothing"
    ),
    pytest.param(
        "SekimoriChildDown", {'sekimori_children_up{role="publisher", %s}': "0x60"}, id="no publisher"
    ),
    pytest.param(
        "SekimoriChildRestarts", {'sekimori_child_restarts_total{role="gate", %s}': _LATE}, id="one restart"
    ),
    pytest.param(
        "SekimoriGoverningAway",
        {'sekimori_governing_calls_total{result="absent", %s}': "0x45 0+1x15"},
        id="nobody governs",
    ),
    pytest.param("SekimoriPolicyMissing", {"sekimori_policy_age_seconds{%s}": GONE}, id="no policy yet"),
    pytest.param(
        "SekimoriPolicyOld", {"sekimori_policy_age_seconds{%s}": "301x60"}, id="beyond five minutes"
    ),
    pytest.param(
        "SekimoriPolicyExpired", {"sekimori_policy_age_seconds{%s}": "901x60"}, id="beyond a quarter"
    ),
    pytest.param(
        "SekimoriPolicyRefused",
        {'sekimori_policy_loads_total{result="refused", %s}': _LATE},
        id="one broken snapshot",
    ),
    pytest.param("SekimoriSpoolFilling", {"sekimori_spool_bytes{%s}": "801x60"}, id="over four fifths"),
    pytest.param(
        "SekimoriArchivistBehind", {"sekimori_spool_oldest_seconds{%s}": "61x60"}, id="over a minute"
    ),
    pytest.param(
        "SekimoriEvidenceAlarm", {'sekimori_archivist_faults_total{kind="alarm", %s}': _LATE}, id="one alarm"
    ),
    pytest.param(
        "SekimoriArchivistBusy",
        {'sekimori_archivist_faults_total{kind="busy", %s}': "0+2x60"},
        id="busy for long",
    ),
    pytest.param(
        "SekimoriLedgerStopped", {"sekimori_ledger_checkpoint_age_seconds{%s}": "301x60"}, id="no checkpoint"
    ),
    pytest.param(
        "SekimoriWitnessConflict",
        {'sekimori_ledger_witness_answers_total{result="conflict", %s}': _LATE},
        id="a witness remembers more",
    ),
    pytest.param(
        "SekimoriWitnessAway",
        {'sekimori_ledger_witness_answers_total{result="unreachable", %s}': "0+2x60"},
        id="a witness that is down",
    ),
    pytest.param(
        "SekimoriUnwitnessed",
        {"sekimori_ledger_unwitnessed_seconds{%s}": "21601x60"},
        id="six hours without a witness",
    ),
    pytest.param(
        "SekimoriOutsideMemory",
        {'sekimori_ledger_outside_faults_total{kind="timestamp", %s}': _LATE},
        id="no time-stamp",
    ),
    pytest.param(
        "SekimoriUnknownCrash",
        {'sekimori_archived_entries_total{kind="unknown-crash", %s}': "3x45 4x15"},
        id="one exchange lost its end",
    ),
    pytest.param(
        "SekimoriAuditRefusals",
        {_DENIED % ("DENY_AUDIT_UNAVAILABLE", "openai-api"): "_x45 1x15"},
        id="the first refusal of a service that had none",
    ),
    pytest.param(
        "SekimoriCannotDecide",
        {_DENIED % ("DENY_CLOCK", "openai-api"): "_x45 1x15"},
        id="the clock stepped back",
    ),
    pytest.param(
        "SekimoriGateError", {'sekimori_gate_errors_total{hook="record", %s}': _LATE}, id="one error"
    ),
    pytest.param(
        "SekimoriNotFullyRead",
        {'sekimori_exchanges_total{service="a", parse="unparsed", state="complete", %s}': "0+30x60"},
        id="a quarter is unread",
    ),
    pytest.param(
        "SekimoriNotFullyRead",
        {'sekimori_exchanges_total{service="a", parse="parsed", state="complete", %s}': GONE},
        id="all is unread",
    ),
    pytest.param(
        "SekimoriSlowRecord",
        {'sekimori_durable_wait_seconds_bucket{record="intent", le="0.005", %s}': "0+50x60"},
        id="half of the syncs are slow",
    ),
    pytest.param(
        "SekimoriPasswordGuessing",
        {'sekimori_authentications_total{result="refused", %s}': "0+11x60"},
        id="more than fifty in five minutes",
    ),
]


def alert_names():
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return [rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule]


def firing(folder, changes, expected):
    """Let promtool evaluate the rules over the series and hold what fires against ``expected``."""
    series = {**WELL, **changes}
    case = {
        "interval": "1m",
        "input_series": [
            {"series": name % TREE, "values": values} for name, values in series.items() if values is not GONE
        ],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": AT,
                "exp_samples": [
                    {"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(expected)
                ],
            }
        ],
    }
    file = folder / "case.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "tests": [case]}), "utf-8")
    return subprocess.run([needs("promtool"), "test", "rules", str(file)], capture_output=True, text=True)


def test_nothing_fires_while_all_is_well(tmp_path):
    result = firing(tmp_path, {}, set())
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(("alert", "changes"), TROUBLE)
def test_an_alert_fires_for_its_trouble_and_for_no_other(tmp_path, alert, changes):
    # A policy that is too old to be used is also an old policy.
    also = {"SekimoriPolicyOld"} if alert == "SekimoriPolicyExpired" else set()
    result = firing(tmp_path, changes, {alert} | also)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_alert_has_its_trouble_in_the_table():
    assert {case.values[0] for case in TROUBLE} == set(alert_names())


def test_every_alert_says_what_to_do_in_both_languages():
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    for rule in (rule for group in groups for rule in group["rules"] if "alert" in rule):
        notes = rule["annotations"]
        for key in ("summary", "summary_ja", "action_ja"):
            assert re.search(r"[ぁ-んァ-ヶ一-龥]", notes[key]), (rule["alert"], key)
        for key in ("summary_en", "action_en"):
            assert notes[key].isascii(), (rule["alert"], key)
        assert rule["labels"]["severity"] in {"warning", "critical"}


def test_the_operators_page_has_a_section_for_every_alert():
    text = (ROOT / "docs" / "operating.md").read_text("utf-8")
    sections = re.findall(r"^#+ (Sekimori\w+)", text, re.MULTILINE)
    assert sorted(sections) == sorted(alert_names())
