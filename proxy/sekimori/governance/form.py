"""The 利用計画書 of an application: what the organisation fills in, what it still lacks, what a copy may say.

The report number, the day of the first report and row 11 are never the applicant's: the first two belong to
the application, the last follows from the six items (FORM-01, FORM-03, FORM-11). A form for submission is
refused while anything that applies is missing; a working copy says on its face that it is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Literal

from sekimori.governance import form_kinds as kind
from sekimori.governance.application import Application
from sekimori.governance.assessment import RiskAssessment
from sekimori.governance.form_fields import BY_PATH, ENTRIES, SHEETS, Fields, fields_of, plan_of
from sekimori.governance.form_kinds import Unreadable
from sekimori.governance.plan import UsagePlan
from sekimori.governance.plan_checks import checklist_faults, plan_faults
from sekimori.governance.refusals import Forbidden, Missing, refuse
from sekimori.governance.rulebook import Rulebook, editions
from sekimori.governance.rules import Rules
from sekimori.governance.service import RegisteredService
from sekimori.governance.state import State, Value

ROW_11 = "confidential_checklist_done"
_C4 = "c4_risk_assessment"
# What stands in row 11 of an empty form.
UNDECIDED = "(はい・いいえ)"
# A part of the plan that has no row of its own belongs to this one.
_ROWS = {
    "work_scopes": "purpose",
    "scope_conditions": "purpose",
    "public_relations_check": "purpose",
    "information_types": "information_confidentiality",
    "head_count": "user_scope",
    "measures": "genai_risk_and_security_measures",
    "secondary_use_owner": "c2_secondary_use_responsibility",
    "responsible_head": "reporting_entity",
    "operations": "external_service_name",
    "evidence": ROW_11,
    "corporate_number": "external_provider_name",
}


class PlanForm(Value, frozen=True):
    """A form ready to be written: the plan as text, and what the organisation itself fills in.

    ``application_hash`` is what a decision refers to; ``book`` the edition whose words are printed.
    """

    book: Rulebook
    fields: Fields
    report_no: str = ""
    revision: int = 0
    first_report_date: date | None = None
    revised_on: date | None = None
    service_name: str = ""
    row_11: Literal["はい", "いいえ", ""] = ""
    for_submission: bool = False
    application_hash: str = ""

    @property
    def numbered(self) -> str:
        """Give the report number with its branch (枝番)."""
        return f"{self.report_no}-{self.revision:02}" if self.report_no else ""

    @property
    def ours(self) -> dict[str, str]:
        """Give what the organisation fills in, by row of the form and caption."""
        return {
            "report_no": self.numbered,
            "first_report_date": kind.DATE.show(self.first_report_date),
            "first_report_date.revised": kind.DATE.show(self.revised_on),
            "external_service_name": self.service_name,
            ROW_11: self.row_11 or UNDECIDED,
        }


def blank_form(rules: Rules) -> PlanForm:
    """Give the form that an applicant fills in."""
    return PlanForm(book=rules.book, fields=fields_of(UsagePlan()))


def working_copy(application: Application, state: State, at_us: int, rules: Rules) -> PlanForm:
    """Give the form as far as it is filled in."""
    return _form(application, state, at_us, rules, for_submission=False)


def submission(application: Application, state: State, at_us: int, rules: Rules) -> PlanForm:
    """Give the form that goes to other bodies; raises ``Forbidden`` with everything that it lacks [MOU-2-10]."""
    missing = tuple(form_faults(application, state, at_us, rules))
    if missing:
        raise refuse("incomplete", missing=missing)
    return _form(application, state, at_us, rules, for_submission=True)


def _form(
    application: Application, state: State, at_us: int, rules: Rules, *, for_submission: bool
) -> PlanForm:
    own = state.get(Application, application.id)
    service = state.find(RegisteredService, own.plan.external_service)
    return PlanForm(
        book=rules.book,
        fields=fields_of(own.plan),
        report_no=own.report_no,
        revision=own.revision,
        first_report_date=own.first_report_date,
        revised_on=own.revised_on if own.revision else None,
        service_name=service.facts.name if service else "",
        row_11="はい" if not list(item_faults(own.plan, state, at_us, rules)) else "いいえ",
        for_submission=for_submission,
        application_hash=own.plan_hash,
    )


def form_faults(application: Application, state: State, at_us: int, rules: Rules) -> Iterator[Missing]:
    """Yield everything that keeps a form from being handed in; nothing that does not apply."""
    own = state.get(Application, application.id)
    if not own.report_no:
        yield Missing(
            "report_no", "申請後に付番されます。先に申請してください。", "is given when it is submitted"
        )
    yield from plan_faults(own.plan, state, at_us, rules)
    yield from unreadable(own.plan)
    needed = own.plan.information_confidentiality >= 2
    answers = own.plan.answers
    for fault in item_faults(own.plan, state, at_us, rules):
        answered = fault.field in answers and answers[fault.field].answer != "NO"
        if needed or answered:
            yield fault


def item_faults(plan: UsagePlan, state: State, at_us: int, rules: Rules) -> Iterator[Missing]:
    """Yield why row 11 is not はい: it follows from the six items and their evidence [FORM-11]."""
    service = state.find(RegisteredService, plan.external_service)
    if service is None:
        yield Missing(ROW_11, "台帳に登録されたサービスを選んでください。", "depends on a registered service")
        return
    yield from checklist_faults(plan, service, at_us, rules)
    answer = plan.answers.get(_C4)
    if answer is None or answer.answer != "YES" or answer.evidence is None:
        return
    signed = state.find(RiskAssessment, answer.evidence.reference)
    if signed is None or not signed.holds(plan.basis, at_us, rules.assessment_days):
        yield Missing(
            _C4,
            "署名済みの有効なリスク評価のIDを証拠に記載してください。",
            "names no signed assessment that fits",
        )


def unreadable(plan: UsagePlan) -> Iterator[Missing]:
    """Yield what a form could not carry: a plan may have come from somewhere else than a form."""
    named = {entry.path: getattr(plan, entry.path) for entry in ENTRIES if entry.kind is kind.NAMES}
    for path, names in (
        *named.items(),
        ("evidence", [name for each in plan.checklist for name in each.groups]),
    ):
        if any("\n" in name.strip() for name in names):
            yield Missing(path, "名称に改行は使えません。", "has a line break in a name")
    try:
        plan_of(fields_of(plan))
    except Forbidden as refusal:
        yield from refusal.missing


def told(missing: Missing, book: Rulebook) -> str:
    """Say in Japanese which part of the form a fault is about, and what to do."""
    return f"{place(missing.field, book)}：{missing.ja}"


def place(field: str, book: Rulebook) -> str:
    """Name a part of the form in the form's own words."""
    sheet_name, _, column_name = field.partition("[")
    for sheet in SHEETS:
        if sheet.name == sheet_name and column_name:
            number, _, name = column_name.partition("].")
            caption = {column.name: column.caption for column in sheet.columns}.get(name, "")
            return f"{sheet.title} {int(number.rstrip(']')) + 1}行目{caption}"
    entry = BY_PATH.get(field)
    if entry and entry.row:
        label = book.form[entry.row]
        return f"{label}・{entry.caption}" if entry.caption and entry.row != field else label
    if field.startswith("terms_check"):
        return entry.caption if entry else "別紙3・4 約款等の確認"
    row = field.partition(".")[0]
    return book.form.get(_ROWS.get(row, row), field)


def form_mismatches(stated: dict[str, str], form: PlanForm) -> Iterator[Missing]:
    """Yield what a copy says otherwise than the organisation, of what is not the applicant's to write."""
    ours = form.ours
    for key, text in stated.items():
        said = kind.settled(text)
        if not said or said == ours.get(key, "") or (key == ROW_11 and said == UNDECIDED):
            continue
        if _same_day(said, ours.get(key, "")):
            continue
        if key == ROW_11:
            why = "6項目の回答と証拠から導かれます。直接は記入できません。", "follows from the six items"
        else:
            why = "この欄は変更できません。空欄のままにしてください。", "is not the applicant's to write"
        yield Missing(key, *why)


def _same_day(one: str, other: str) -> bool:
    try:
        return bool(other) and kind.DATE.read(one) == kind.DATE.read(other)
    except Unreadable:
        return False


def wordings(row: str) -> tuple[str, ...]:
    """Give every wording that a row of the form has had, the newest first."""
    return tuple(dict.fromkeys(book.form[row] for book in reversed(editions()) if row in book.form))
