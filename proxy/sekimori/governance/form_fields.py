"""The fields of the 利用計画書 as text, in the order of the form: ``fields_of`` writes, ``plan_of`` reads.

``ENTRIES`` and ``SHEETS`` are the whole of what an applicant fills in: where a field stands on the form, how
it is written. The form's own words are not here but in the rulebook, as they change with the edition.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from sekimori.governance import form_kinds as kind
from sekimori.governance.calendar import fiscal_year_end
from sekimori.governance.form_kinds import Kind, Unreadable
from sekimori.governance.plan import Answer, Measure, ScopeCondition, TermsCheck, TermsRisk, UsagePlan
from sekimori.governance.refusals import Missing, refuse
from sekimori.governance.state import Evidence, Value
from sekimori.policy.model import CHECKLIST, Period

TERMS_SHEET = "別紙3 約款等の確認"


class Entry(NamedTuple):
    """One field: its path in the plan, the row of the form it belongs to ("": of 別紙3), its own caption."""

    path: str
    row: str
    caption: str
    kind: Kind


class Column(NamedTuple):
    """One column of a sheet behind the form."""

    name: str
    caption: str
    kind: Kind
    needed: bool = False


class Sheet(NamedTuple):
    """A sheet behind the form (別紙): a table of rows."""

    name: str
    title: str
    columns: tuple[Column, ...]


ENTRIES = (
    Entry("reporting_entity", "reporting_entity", "名称", kind.LINE),
    Entry("responsible_head", "reporting_entity", "責任者", kind.LINE),
    Entry("external_service", "external_service_name", "台帳のID", kind.LINE),
    Entry("models", "external_service_name", "モデル", kind.NAMES),
    Entry("operations", "external_service_name", "操作", kind.NAMES),
    Entry("unparsed", "external_service_name", "内容を検査できない通信", kind.YES_NO),
    Entry("external_provider_name", "external_provider_name", "名称", kind.LINE),
    Entry("corporate_number", "external_provider_name", "法人番号", kind.CORPORATE_NUMBER),
    Entry("purpose", "purpose", "業務内容", kind.TEXT),
    Entry("work_scopes", "purpose", "業務区分", kind.NAMES),
    Entry("published_outside", "purpose", "対外公表", kind.YES_NO),
    Entry("public_relations_check", "purpose", "広報の確認", kind.TEXT),
    Entry("information_confidentiality", "information_confidentiality", "区分", kind.CLASS),
    Entry("information_types", "information_confidentiality", "情報の種類", kind.NAMES),
    Entry("usage_period.start", "usage_period", "開始日", kind.DATE),
    Entry("usage_period.end", "usage_period", "終了日", kind.DATE),
    Entry("users", "user_scope", "利用者", kind.NAMES),
    Entry("groups", "user_scope", "グループ", kind.NAMES),
    Entry("head_count", "user_scope", "人数", kind.COUNT),
    Entry("phase", "user_scope", "段階", kind.PHASE),
    Entry("genai_risk_text", "genai_risk_and_security_measures", "", kind.TEXT),
    *(Entry(item, item, "", kind.ANSWER) for item in CHECKLIST[:2]),
    Entry("secondary_use_owner", "c2_secondary_use_responsibility", "二次利用責任者", kind.LINE),
    *(Entry(item, item, "", kind.ANSWER) for item in CHECKLIST[2:]),
    Entry("free_text", "free_text", "", kind.TEXT),
    Entry("terms_check.url", "", "約款のURL", kind.LINE),
    Entry("terms_check.sha256", "", "写しのSHA-256", kind.SHA256),
    Entry("terms_check.retrieved_on", "", "取得日", kind.DATE),
    Entry("terms_check.foreign_law_acknowledged", "", "現地の法令の適用を確認", kind.YES_NO),
)
BY_PATH = {entry.path: entry for entry in ENTRIES}

SHEETS = (
    Sheet(
        "measures",
        "別紙1 リスクへの対応",
        (
            Column("risk", "リスク", kind.TOPIC, needed=True),
            Column("measure", "対応", kind.TEXT),
            Column("owner", "担当者", kind.LINE),
        ),
    ),
    Sheet(
        "evidence",
        "別紙2 確認事項の証拠",
        (
            Column("item", "確認事項", kind.LINE, needed=True),
            Column("reference", "証拠", kind.LINE),
            Column("sha256", "SHA-256", kind.SHA256),
            Column("at_us", "日時", kind.INSTANT),
            Column("note", "備考", kind.TEXT),
            Column("responsible", "責任者", kind.LINE),
            Column("groups", "対象グループ", kind.NAMES),
        ),
    ),
    Sheet(
        "terms_risks",
        "別紙4 10のリスク",
        (
            Column("risk", "リスク", kind.TEN, needed=True),
            Column("verdict", "判断", kind.VERDICT, needed=True),
            Column("note", "所見", kind.TEXT),
            Column("mitigation", "低減策", kind.TEXT),
        ),
    ),
    Sheet(
        "scope_conditions",
        "別紙5 業務区分の条件",
        (Column("scope", "業務区分", kind.LINE, needed=True), Column("how", "条件への対応", kind.TEXT)),
    ),
)
ROWS_AT_MOST = 200

type Row = tuple[str, ...]


class Fields(Value, frozen=True):
    """A plan as text: what stands in each field, and the rows of each sheet behind the form."""

    texts: dict[str, str]
    tables: dict[str, tuple[Row, ...]]


def item_words(label: str) -> str:
    """Give one of the six items without its bullet, as the sheet of evidence names it."""
    return label.removeprefix("・")


def fields_of(plan: UsagePlan) -> Fields:
    """Write a plan as text."""
    texts = {
        entry.path: entry.kind.show(_at(plan, entry.path)) for entry in ENTRIES if entry.path not in CHECKLIST
    }
    answers = plan.answers
    texts |= {item: kind.ANSWER.show(answers[item].answer) if item in answers else "" for item in CHECKLIST}
    tables = {sheet.name: tuple(_shown(sheet, each) for each in _rows(plan, sheet.name)) for sheet in SHEETS}
    return Fields(texts=texts, tables=tables)


def _at(plan: UsagePlan, path: str) -> Any:
    value: Any = plan
    for name in path.split("."):
        value = None if value is None else getattr(value, name)
    return value


def _rows(plan: UsagePlan, name: str) -> Iterator[dict[str, Any]]:
    if name == "evidence":
        yield from filter(None, (_proof(plan.answers[item]) for item in CHECKLIST if item in plan.answers))
        return
    rows: dict[str, tuple[Measure, ...] | tuple[TermsRisk, ...] | tuple[ScopeCondition, ...]] = {
        "measures": plan.measures,
        "terms_risks": plan.terms_check.risks,
        "scope_conditions": plan.scope_conditions,
    }
    for each in rows[name]:
        yield {column: getattr(each, column) for column in each.__struct_fields__}


def _proof(answer: Answer) -> dict[str, Any] | None:
    proof = answer.evidence or Evidence(reference="")
    told = {name: getattr(proof, name) for name in ("reference", "sha256", "at_us", "note")}
    told |= {"responsible": answer.responsible, "groups": answer.groups}
    return {"item": answer.item, **told} if any(told.values()) else None


def _shown(sheet: Sheet, values: dict[str, Any]) -> Row:
    return tuple(column.kind.show(values[column.name]) for column in sheet.columns)


def plan_of(fields: Fields) -> UsagePlan:
    """Read a plan back; raises ``Forbidden`` that names every field that cannot be read.

    An end that is left blank is the last day of the fiscal year [FORM-08].
    """
    reader = _Reader(fields)
    texts = {path: reader.entry(path) for path in BY_PATH}
    tables = {sheet.name: tuple(reader.rows(sheet)) for sheet in SHEETS}
    checklist = tuple(reader.answers(texts, tables.pop("evidence")))
    period = reader.period(texts.pop("usage_period.start"), texts.pop("usage_period.end"))
    if reader.faults:
        raise refuse("incomplete", missing=reader.faults)
    sheet = {
        path.partition(".")[2]: texts.pop(path) for path in list(texts) if path.startswith("terms_check.")
    }
    return UsagePlan(
        **{path: value for path, value in texts.items() if path not in CHECKLIST},
        usage_period=period,
        checklist=checklist,
        measures=tuple(Measure(**row) for row in tables["measures"]),
        scope_conditions=tuple(ScopeCondition(**row) for row in tables["scope_conditions"]),
        terms_check=TermsCheck(**sheet, risks=tuple(TermsRisk(**row) for row in tables["terms_risks"])),
    )


class _Reader:
    """Reads text field by field and keeps every fault, so that all are told at once."""

    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        self.faults: list[Missing] = []

    def entry(self, path: str) -> Any:
        """Read one field."""
        return self._read(path, BY_PATH[path].kind, self._fields.texts.get(path, ""))

    def rows(self, sheet: Sheet) -> Iterator[dict[str, Any]]:
        """Read the rows of a sheet."""
        for place, row in enumerate(self._fields.tables.get(sheet.name, ())):
            where = f"{sheet.name}[{place}]"
            if len(row) != len(sheet.columns):
                self._fault(where, "列の数が違います。", "has another number of columns")
                continue
            values = {
                column.name: self._read(f"{where}.{column.name}", column.kind, text)
                for column, text in zip(sheet.columns, row, strict=True)
            }
            for column, text in zip(sheet.columns, row, strict=True):
                if column.needed and not text.strip():
                    self._fault(f"{where}.{column.name}", "記載してください。", "is missing")
            yield values

    def answers(self, texts: dict[str, Any], proofs: tuple[dict[str, Any], ...]) -> Iterator[Answer]:
        """Join the answers on the form with the sheet of evidence."""
        by_item: dict[str, dict[str, Any]] = {}
        for place, proof in enumerate(proofs):
            item = proof.pop("item")
            if item not in CHECKLIST or item in by_item or texts[item] is None:
                why = ("回答のある確認事項ごとに1行です。", "is not the one row of an answered item")
                self._fault(f"evidence[{place}].item", *why)
            by_item[item] = proof
        for item in CHECKLIST:
            if texts[item] is not None:
                yield _answer(item, texts[item], by_item.get(item, {}))

    def period(self, start: Any, end: Any) -> Period | None:
        """Join the two days."""
        if start is None:
            if end is not None and not self._fields.texts.get("usage_period.start", "").strip():
                self._fault("usage_period.start", "開始日を記載してください。", "is missing")
            return None
        return Period(start=start, end=fiscal_year_end(start) if end is None else end)

    def _read(self, where: str, how: Kind, text: str) -> Any:
        try:
            return how.read(text)
        except Unreadable as fault:
            self._fault(where, fault.ja, fault.en)
            return None

    def _fault(self, where: str, ja: str, en: str) -> None:
        self.faults.append(Missing(where, ja, en))


def _answer(item: str, answer: Any, proof: dict[str, Any]) -> Answer:
    evidence = {name: proof[name] for name in ("reference", "sha256", "at_us", "note") if proof.get(name)}
    return Answer(
        item=item,
        answer=answer,
        evidence=Evidence(**{"reference": "", **evidence}) if evidence else None,
        responsible=proof.get("responsible") or "",
        groups=proof.get("groups") or (),
    )
