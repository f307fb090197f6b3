"""Forms, register, reports, sheets and the register of reused outputs, as people and scripts run them."""

import asyncio
import hashlib
import io
import json
from datetime import date

import msgspec
import openpyxl
import pytest

from sekimori.cli import handing_out, opened
from sekimori.cli.archiving import archivist_of
from sekimori.cli.opened import store
from sekimori.cli.orders import Orders
from sekimori.cli.outside import Outside
from sekimori.cli.trees import lock_store
from sekimori.governance.acknowledgement import Acknowledge
from sekimori.governance.calendar import jst_us
from sekimori.governance.notices import Notice
from sekimori.governance.secondary_use import output_hash
from sekimori.ledger.spool import SpoolSettings, open_spool
from sekimori.ledger.tlog.keys import KeySigner
from sekimori.ledger.tlog.leaf import LeafSigner
from sekimori.vault.keys import KeyRing
from sekimori.vault.sealing import SegmentSealer
from support.evidence import ANSWER, answered, asked, refused
from support.forms import SIGNED
from support.offices import CONTRACTED, DAY, HANAKO, HOUR, NOW, checklist, class_two
from support.spool import keyed
from support.stored_office import PASSWORD, stored, with_accounts

SIGN = f"{PASSWORD}\n"
FONT = handing_out.JAPANESE_FONT
LATER = NOW + HOUR


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Let commands think that it is an hour after the office did its work."""
    now = [LATER]
    monkeypatch.setattr(opened, "now_us", lambda: now[0])
    return now


@pytest.fixture
def recorded(places):
    """Bring entries through the spool into the database."""

    async def write(entries):
        keys = KeyRing.load_recorder(places.keys)
        settings = SpoolSettings(segment_bytes=1 << 20, min_free=0, record_timeout=30.0)
        sealer, signer = SegmentSealer(keys.archivist_public), LeafSigner(KeySigner(keys.signing_key))
        writer = open_spool(places.spool, "w0-1", seal=sealer, signer=signer, settings=settings)
        for entry in entries:
            await writer.append(keyed(entry))
        await asyncio.to_thread(writer.close)

    def bring(*entries):
        asyncio.run(write(entries))
        orders = Orders(data=str(places.data), keys=str(places.keys), config={}, lifeline_fd=-1)
        with store(places) as engine, lock_store(places) as locks:
            archivist = archivist_of(orders, engine, locks, Outside(orders.settings.ledger, places))
            archivist.run_once()
            archivist.close()

    return bring


@pytest.fixture
def office(places):
    """An organisation whose hanako handed in a plan for class 2, complete with its evidence."""
    with_accounts(places, NOW)
    complete = class_two(checklist=checklist(c4_risk_assessment=SIGNED))
    return stored(places, lambda at: at.ready(CONTRACTED).advised().submit(complete).assessed(), at_us=NOW)


@pytest.fixture
def granted(places):
    """An organisation whose hanako uses a service."""
    with_accounts(places, NOW)
    return stored(places, lambda at: at.ready().granted(), at_us=NOW)


def exchanges(*, count=3, grant="g-a1", service="chat", user="hanako", at_us=NOW):
    """Give exchanges, some refused, and what they add up to."""
    entries = []
    for place in range(count):
        rid, time_us = f"{service}-{user}-{place}", at_us + place
        entries += [
            asked(rid, time_us=time_us, service=service, user=user, grant=grant),
            answered(rid, time_us=time_us + 5),
        ]
    entries.append(refused(f"{service}-{user}-no", time_us=at_us + 900, service=service, user=user))
    return entries


# --- the form ------------------------------------------------------------------------------------------


@pytest.mark.req("MOU-2-10", "FORM-11", "FORM-C1", "FORM-C5")
@pytest.mark.parametrize("ending", ["xlsx", "docx", "pdf", "json"])
def test_a_complete_form_is_written_and_its_hash_is_found_again(run, office, tmp_path, ending):
    if ending == "pdf" and not FONT.is_file():
        pytest.skip("fonts-ipaexfont-gothic is not installed here")
    out = tmp_path / f"plan.{ending}"
    result = run("form", "export", "a1", "--out", out, "--as", "hanako", "--json", stdin=SIGN)
    assert result.code == 0, result.err
    (told,) = result.lines
    assert told["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert out.stat().st_mode & 0o777 == 0o600
    (found,) = run("form", "verify", out, "--json").lines
    (document,) = found["documents"]
    assert (document["about"], document["for_submission"], document["issued_by"]) == ("a1", True, "hanako")
    out.write_bytes(out.read_bytes() + b" ")
    assert run("form", "verify", out).code == 1


@pytest.mark.req("MOU-2-10", "FORM-11", "MOU-2-6")
def test_a_form_that_lacks_evidence_is_not_written_and_says_what_is_missing(run, places, tmp_path):
    with_accounts(places, NOW)
    unproven = msgspec.structs.replace(SIGNED, evidence=None)
    plan = class_two(checklist=checklist(c4_risk_assessment=unproven))
    stored(places, lambda at: at.ready(CONTRACTED).advised().submit(plan), at_us=NOW)
    out = tmp_path / "plan.pdf"
    result = run("form", "export", "a1", "--out", out, "--as", "hanako", stdin=SIGN)
    assert (result.code, out.exists()) == (1, False)
    assert "証拠がありません" in result.out
    assert "c4_risk_assessment" in result.out
    lines = run("form", "export", "a1", "--out", out, "--as", "hanako", "--json", stdin=SIGN).lines
    assert {line["field"] for line in lines} == {"c4_risk_assessment"}
    draft = tmp_path / "draft.json"
    assert run("form", "export", "a1", "--draft", "--out", draft, "--as", "hanako", stdin=SIGN).code == 0
    assert "提出用ではありません" in draft.read_text("utf-8")


def test_nobody_takes_the_form_of_somebody_else_or_writes_over_a_file(run, office, tmp_path):
    out = tmp_path / "plan.json"
    with_hanakos = run("form", "export", "a1", "--out", out, "--as", "rin", stdin="wrong\n")
    assert (with_hanakos.code, out.exists()) == (2, False)
    out.write_text("kept")
    result = run("form", "export", "a1", "--out", out, "--as", "hanako", stdin=SIGN)
    assert (result.code, out.read_text()) == (2, "kept")
    assert "is there already" in result.err
    assert run("form", "export", "a1", "--out", tmp_path / "plan.odt").code == 2


def test_a_pdf_without_its_font_says_what_to_install(run, office, tmp_path):
    config = tmp_path / "sekimori.toml"
    config.write_text('[documents]\nfont = "/nowhere/font.ttf"\n')
    out = tmp_path / "plan.pdf"
    result = run("form", "export", "a1", "--out", out, "--as", "hanako", "--config", config, stdin=SIGN)
    assert (result.code, out.exists()) == (2, False)
    assert "fonts-ipaexfont-gothic" in result.err
    assert "/nowhere/font.ttf" in result.err


@pytest.mark.req("FORM-02", "FORM-06", "FORM-12")
def test_a_form_that_was_filled_in_becomes_a_draft_of_whoever_signs_in(run, places, granted, tmp_path):
    blank, filled = tmp_path / "blank.xlsx", tmp_path / "filled.xlsx"
    assert run("form", "blank", "--out", blank).code == 0
    book = openpyxl.load_workbook(io.BytesIO(blank.read_bytes()))
    _at(book, "報告主体", "名称").value = "総務部"
    _at(book, "(自由記述欄)").value = "備考"
    book.save(filled)
    (told,) = run("form", "import", filled, "--as", "hanako", "--json", stdin=SIGN).lines
    draft = tmp_path / "draft.json"
    shown = run(
        "form", "export", told["application"], "--draft", "--out", draft, "--as", "hanako", stdin=SIGN
    )
    assert shown.code == 0, shown.err
    texts = json.loads(draft.read_text("utf-8"))["content"]["fields"]["texts"]
    assert (texts["reporting_entity"], texts["free_text"]) == ("総務部", "備考")

    again = tmp_path / "again.xlsx"
    copy = run("form", "export", told["application"], "--draft", "--out", again, "--as", "hanako", stdin=SIGN)
    assert copy.code == 0, copy.err
    book = openpyxl.load_workbook(io.BytesIO(again.read_bytes()))
    _at(book, "報告主体", "名称").value = "財務部"
    book.save(again)
    changed = run(
        *("form", "import", again, "--as", "hanako", "--application", told["application"]), stdin=SIGN
    )
    assert changed.code == 0, changed.err
    other = run("form", "import", again, "--as", "rin", "--application", told["application"], stdin=SIGN)
    assert other.code == 2
    assert "not-yours" in other.err


def test_every_fault_of_a_form_names_file_sheet_cell_field_and_what_to_do(run, granted, tmp_path):
    blank, filled = tmp_path / "blank.xlsx", tmp_path / "filled.xlsx"
    run("form", "blank", "--out", blank)
    book = openpyxl.load_workbook(io.BytesIO(blank.read_bytes()))
    _at(book, "利用者の範囲", "人数").value = "多数"
    _at(book, "利用期間", "開始日").value = "来月"
    book.save(filled)
    result = run("form", "import", filled, "--as", "hanako", "--json", stdin=SIGN)
    assert result.code == 1
    assert [(line["file"], line["sheet"]) for line in result.lines] == [(str(filled), "利用計画書")] * 2
    assert all(line["cell"] and line["field"] and line["ja"] and line["en"] for line in result.lines)
    told = run("form", "import", filled, "--as", "hanako", stdin=SIGN)
    assert "利用計画書!C" in told.out
    assert "2 faults" in told.err
    assert run("form", "import", tmp_path / "x.docx", "--as", "hanako").code == 2


def _at(book, label, caption=""):
    now = ""
    for row in book["利用計画書"].iter_rows():
        now = row[0].value or now
        if now == label and (row[1].value or "") == caption:
            return row[2]
    raise AssertionError(label)


# --- register and usage report ----------------------------------------------------------------------------


@pytest.mark.req("UK-423-2c")
def test_the_register_of_the_day_is_written_by_an_officer(run, granted, tmp_path):
    out = tmp_path / "register.json"
    result = run("register", "export", "--out", out, "--as", "saki", "--json", stdin=SIGN)
    assert result.code == 0, result.err
    (entry,) = json.loads(out.read_text("utf-8"))["content"]["entries"]
    assert (entry["service_name"], entry["administrator"]) == ("Example Chat", "jiro")
    assert run("form", "verify", out).code == 0
    staff = run("register", "export", "--out", tmp_path / "no.json", "--as", "hanako", stdin=SIGN)
    assert (staff.code, (tmp_path / "no.json").exists()) == (2, False)


@pytest.mark.req("MOU-0-1")
def test_the_usage_report_of_a_month_is_what_a_recount_of_the_log_gives(run, granted, recorded, tmp_path):
    entries = [
        *exchanges(),
        *exchanges(service="deepseek", user="rin", count=2),
        *exchanges(service="", user="nobody", count=1),
        *exchanges(service="chat", user="hanako", count=1, at_us=NOW - 40 * DAY, grant="old"),
    ]
    recorded(*entries)
    (report,) = run("usage", "report", "--month", "2026-06", "--json").lines
    counted = recount(run("log", "list", "--limit", "1000", "--json").lines, "2026-06")
    assert {name: report["recount"][name] for name in counted} == counted
    for name, total in counted.items():
        assert sum(line[name] for line in report["lines"]) == total
    lines = {(line["service"], line["department"]): line for line in report["lines"]}
    assert lines["chat", "soumu"]["registered"] is True
    assert lines["deepseek", "soumu"]["registered"] is False
    assert lines["api.openai.com", ""]["requests"] == 2
    assert report["users"] == 3
    out = tmp_path / "report.xlsx"
    assert run("usage", "report", "--month", "2026-06", "--out", out, "--as", "saki", stdin=SIGN).code == 0
    assert run("form", "verify", out).code == 0
    assert run("usage", "report", "--month", "June").code == 2


def recount(records, month):
    """Count what ``log list`` shows, by a way of its own."""
    seen = [one for one in records if one["time"].startswith(month)]
    return {
        "requests": len(seen),
        "refused": sum(one["decision"] != "allow" for one in seen),
        "bytes_sent": sum(one["prompt_bytes"] for one in seen),
        "bytes_received": sum(one["output_bytes"] for one in seen),
    }


@pytest.mark.req("MOU-0-1")
def test_a_report_is_not_written_where_somebody_edited_the_index(run, places, granted, recorded, tmp_path):
    recorded(*exchanges())
    with store(places) as engine, engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE record SET output_bytes = output_bytes + 1 WHERE rid = 'chat-hanako-0'"
        )
    out = tmp_path / "report.pdf"
    result = run("usage", "report", "--month", "2026-06", "--out", out)
    assert (result.code, out.exists()) == (2, False)
    assert "bytes_received" in result.err


@pytest.mark.req("MOU-1-12")
def test_the_rates_of_acknowledgement_are_shown_and_handed_out_by_department(run, places, tmp_path):
    with_accounts(places, NOW)

    def told(office):
        office.ready().notice()
        office.do(HANAKO, Acknowledge("read-me", 1, office.get(Notice, "read-me").current.sha256))

    stored(places, told, at_us=NOW)
    lines = run("notice", "rates", "--json").lines
    found = {line["unit"]: (line["people"], line["acknowledged"], line["percent"]) for line in lines}
    # The account that init made is in no group.
    assert found == {"": (1, 0, 0), "soumu": (6, 1, 16)}
    out = tmp_path / "rates.xlsx"
    assert run("notice", "rates", "--out", out, "--as", "saki", stdin=SIGN).code == 0
    assert run("form", "verify", out).code == 0


# --- review sheets -----------------------------------------------------------------------------------------


@pytest.mark.req("UPD-U5-1")
def test_sheets_are_prepared_once_signed_with_findings_and_listed_as_evidence(run, granted, recorded, clock):
    recorded(*exchanges(count=2), *exchanges(service="deepseek", user="rin", count=30))
    clock[0] = jst_us(date(2026, 6, 8), 9)
    sheets = {line["id"]: line for line in run("review", "prepare", "--json").lines}
    id_ = "deepseek:weekly:2026-06-01"
    assert set(sheets) == {"chat:weekly:2026-06-01", id_}
    assert sheets[id_]["counts"]["requests"] == 31
    assert [each["key"] for each in sheets[id_]["anomalies"]] == ["NEW_SERVICE:"]
    assert run("review", "prepare", "--json").lines == []

    unsaid = run("review", "sign", id_, "--as", "saki", stdin=SIGN)
    assert unsaid.code == 2
    assert "anomaly-unanswered" in unsaid.err
    remarks = [
        argument
        for each in sheets[id_]["anomalies"]
        for argument in ("--remark", f"{each['key']}=無断利用のため指導した")
    ]
    remarks += ["--follow-up", "NEW_SERVICE:=i-7"]
    signed = run("review", "sign", id_, "--as", "saki", *remarks, "--json", stdin=SIGN)
    assert signed.code == 0, signed.err
    assert (signed.lines[0]["status"], signed.lines[0]["signed_by"]) == ("SIGNED", "saki")
    (remark,) = signed.lines[0]["remarks"]
    assert (remark["verdict"], remark["report"]) == ("FOLLOWED_UP", "i-7")
    assert {line["id"] for line in run("review", "list", "--open", "--json").lines} == set(sheets) - {id_}
    wrong = run("review", "sign", "chat:weekly:2026-06-01", "--as", "saki", "--remark", "X=y", stdin=SIGN)
    assert "names no anomaly" in wrong.err


@pytest.mark.req("UPD-U5-1")
def test_a_sheet_that_nobody_signs_is_escalated(run, granted, recorded, clock):
    recorded(*exchanges(count=2))
    clock[0] = jst_us(date(2026, 6, 8), 9)
    run("review", "prepare")
    assert (run("review", "escalate", "--json").code, run("review", "escalate", "--json").lines) == (0, [])
    clock[0] += 30 * DAY
    late = run("review", "escalate", "--json")
    assert (late.code, {line["status"] for line in late.lines}) == (1, {"ESCALATED"})


@pytest.mark.parametrize("profile", ["gov", "local_gov"])
def test_where_the_profile_says_so_nobody_acts_without_signing_in(run, places, granted, tmp_path, profile):
    config = tmp_path / "sekimori.toml"
    config.write_text(f'profile = "{profile}"\n')
    out = tmp_path / "register.json"
    result = run("register", "export", "--out", out, "--config", config)
    assert (result.code, out.exists()) == (2, False)
    assert "--as USER" in result.err


# --- secondary use ------------------------------------------------------------------------------------------


@pytest.mark.req("MOU-2-4")
def test_an_output_leads_back_to_the_record_of_its_prompt(run, granted, recorded, tmp_path):
    recorded(*exchanges(count=1))
    text = tmp_path / "notice.txt"
    text.write_text(ANSWER.replace("\n", "\r\n") + "\n\n", "utf-8")
    assert run("secondary-use", "find", text).code == 1
    arguments = ("secondary-use", "add", text, "--for", "広報資料", "--as", "hanako", "--json")
    unread = run(*arguments, "--audience", "external", stdin=SIGN)
    assert "not-verified" in unread.err
    (made,) = run(*arguments, "--audience", "external", "--verified", stdin=SIGN).lines
    assert (made["status"], made["exchange"], made["responsible"]) == (
        "AWAITING_REVIEW",
        "chat-hanako-0",
        "kacho",
    )
    (found,) = run("secondary-use", "find", "--sha256", output_hash(ANSWER), "--json").lines
    assert found["id"] == made["id"]
    own = run("secondary-use", "review", made["id"], "--note", "可", "--as", "hanako", stdin=SIGN)
    assert "own-output" in own.err
    (done,) = run(
        "secondary-use", "review", made["id"], "--note", "可", "--as", "rin", "--json", stdin=SIGN
    ).lines
    assert (done["status"], done["reviewer"]) == ("APPROVED", "rin")


@pytest.mark.req("MOU-2-4")
def test_a_text_that_nobody_was_answered_needs_its_record(run, granted, recorded, tmp_path):
    recorded(*exchanges(count=1))
    text = tmp_path / "mine.txt"
    text.write_text("誰も答えていない文章", "utf-8")
    arguments = ("secondary-use", "add", text, "--for", "資料", "--audience", "internal", "--as")
    assert "No record of yours" in run(*arguments, "hanako", stdin=SIGN).err
    changed = run(*arguments, "hanako", "--record", "chat-hanako-0", stdin=SIGN)
    assert changed.code == 0, changed.err
    assert "No record of yours" in run(*arguments, "rin", "--record", "chat-hanako-0", stdin=SIGN).err


# --- compliance ----------------------------------------------------------------------------------------------


@pytest.mark.req("INT-12")
def test_the_compliance_report_counts_evidence_out_of_the_log_and_governance(run, granted, recorded):
    recorded(*exchanges())
    rows = {line["id"]: line for line in run("compliance", "report", "--json").lines}
    assert len(rows) > 70
    assert rows["MOU-2-7"]["evidence"] == {"log:records": 4}
    assert rows["MOU-1-7"]["evidence"]["log:DENY_NO_GRANT"] == 1
    assert rows["UK-423-2c"]["evidence"] == {"appointment": 1, "grant": 1}
    assert (rows["MOU-1-2"]["status"], rows["MOU-2-8"]["seen"]) == ("partial", False)
    table = run("compliance", "report", "--since", "2026-06-02").out
    assert "MOU-2-7\tproven\tnone yet\tlog:records 0" in table
