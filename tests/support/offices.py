"""An organisation to test governance with: its people, and the steps that lead to a grant.

``Office`` keeps the state and carries out commands the way a store does. After each it holds the events
against the state, so that every test of governance is also a test of what the ledger would record.
"""

from __future__ import annotations

from datetime import date

import msgspec
import pytest

from sekimori.governance import (
    advice,
    applying,
    appointment,
    assessment,
    authority,
    consent,
    operating_rules,
    registering,
    reports,
    rereading,
    risks,
    scope,
)
from sekimori.governance.actors import Actor
from sekimori.governance.application import Application
from sekimori.governance.calendar import jst_us
from sekimori.governance.commands import NOUNS, perform
from sekimori.governance.plan import GENAI_RISKS as TOPICS
from sekimori.governance.plan import Answer, Measure, TermsCheck, TermsRisk, UsagePlan, with_fields
from sekimori.governance.refusals import Forbidden
from sekimori.governance.risks import RISK_KEYS
from sekimori.governance.rules import rules_for
from sekimori.governance.service import (
    Contract,
    ContractType,
    Facts,
    Flag,
    LogPlan,
    ProcurementCheck,
    RegisteredService,
    Subprocessor,
    TermsDocument,
)
from sekimori.governance.state import Evidence, State, digest
from sekimori.governance.tick import tick
from sekimori.policy.model import CHECKLIST, Period

TODAY = date(2026, 6, 1)
NOW = jst_us(TODAY, 10)
HOUR, DAY = 3_600_000_000, 86_400_000_000
SHA, OTHER_SHA = "a" * 64, "b" * 64
NOTE = "国外のサーバに保存されるため、公開情報だけを扱い、要機密情報は入力しない。"


def person(name, *roles, unit="soumu", tenant="default"):
    return Actor(name, frozenset({"staff", *roles}), unit, tenant)


HANAKO = person("hanako")
MIKI = person("miki")
TARO = person("taro", "approval_authority")
YUKI = person("yuki", "approval_authority")
JIRO = person("jiro", "cloud_service_administrator")
KAORU = person("kaoru", "cloud_service_administrator")
RIN = person("rin", "reviewer")
SAKI = person("saki", "security_officer")
SHO = person("sho", "security_officer")
KEN = person("ken", "system_administrator")
AOI = Actor("aoi", frozenset({"auditor"}), "kansa")
EVERYBODY = (HANAKO, MIKI, TARO, YUKI, JIRO, KAORU, RIN, SAKI, SHO, KEN, AOI)

TERMS = TermsDocument(url="https://example.com/terms", sha256=SHA, retrieved_on=TODAY)
NEW_TERMS = TermsDocument(url="https://example.com/terms", sha256=OTHER_SHA, retrieved_on=TODAY)
PROOF = Evidence(reference="文書第1号", sha256=SHA, at_us=NOW)
FACTS = Facts(
    name="Example Chat",
    provider="Example AI",
    hosts=("chat.example.com",),
    data_locations=("JP",),
    governing_law=("JP",),
    retention="30 days",
    policy_languages=("ja", "en"),
    it_procurement_check=ProcurementCheck(applies=False, reason="調達を伴わない", checker="ken"),
)
CONTRACT = Contract(
    number="K-2026-1",
    counterparty="Example AI KK",
    start=date(2026, 4, 1),
    end=date(2027, 3, 31),
    training_clause="no training",
    deletion_clause="within 30 days",
    evidence=PROOF,
)
LOG_PLAN = LogPlan(
    owner="jiro",
    items=("prompt", "response"),
    retention="1 year",
    viewers=("saki",),
    review_cycle="weekly",
    storage="ledger",
    time_source="ntp.example.com",
    self_test=PROOF,
)


def facts(**fields):
    return msgspec.structs.replace(FACTS, **fields)


CONTRACTED = facts(
    contract_type=ContractType.INDIVIDUAL_CONTRACT,
    contract=CONTRACT,
    subprocessors=(Subprocessor(name="Example Cloud", country="JP"),),
)
FLAGGED = facts(flags=(Flag(code="advisory_required", source="事務連絡 2025-02-06"),))


def plan(**fields):
    """Give a plan for class 1 that may be submitted."""
    ready = UsagePlan(
        reporting_entity="総務部",
        responsible_head="kacho",
        external_service="chat",
        external_provider_name="Example AI KK",
        purpose="公開されている会議資料を要約し、議事録の下書きを作成する。",
        work_scopes=("summary",),
        usage_period=Period(start=TODAY, end=date(2027, 3, 31)),
        users=("hanako",),
        groups=("soumu",),
        head_count=12,
        measures=tuple(Measure(risk=topic, measure="確認する", owner="jiro") for topic in TOPICS),
        secondary_use_owner="kacho",
        terms_check=TermsCheck(
            url=TERMS.url,
            sha256=SHA,
            retrieved_on=TODAY,
            risks=tuple(TermsRisk(risk=key, verdict="ACCEPTABLE", note=NOTE) for key in RISK_KEYS),
            foreign_law_acknowledged=True,
        ),
    )
    return with_fields(ready, **fields)


def checklist(at_us=NOW, **answers):
    """Answer the six items, はい with evidence where nothing else is given."""
    proof = Evidence(reference="証拠", sha256=SHA, at_us=at_us)
    made: dict[str, Answer | None] = {
        item: Answer(item=item, answer="YES", evidence=proof) for item in CHECKLIST
    }
    made["c2_secondary_use_responsibility"] = Answer(
        item="c2_secondary_use_responsibility", answer="YES", evidence=proof, responsible="kacho"
    )
    made["c3_limited_initial_audience"] = Answer(
        item="c3_limited_initial_audience", answer="YES", evidence=proof, groups=("soumu",)
    )
    made["c6_trial_notice_and_consent"] = Answer(item="c6_trial_notice_and_consent", answer="NOT_APPLICABLE")
    made.update(answers)
    return tuple(answer for answer in made.values() if answer is not None)


def class_two(**fields):
    """Give a plan for part of class 2."""
    fields = {
        "information_confidentiality": 2,
        "information_types": ("照会文書",),
        "checklist": checklist(),
    } | fields
    return plan(**fields)


PARTS = tuple(
    msgspec.convert(
        {
            "part": part,
            "text": "確認した",
            "likelihood": 2,
            "impact": 3,
            "treatment": "REDUCE",
            "residual": 4,
        },
        assessment.RiskPart,
    )
    for part in assessment.PARTS
)
SECTIONS = operating_rules.Sections(
    scopes=("summary",),
    authorities=("auth-taro",),
    procedure=("申請", "審査", "決定"),
    processing_days=10,
    appointment="許可権限者が指名する",
    duties=("利用状況の管理",),
    report_cycle="monthly",
    articles=(operating_rules.Article(number="第1条", text="要機密情報を入力しない。"),),
)


class Office:
    """One organisation, and everything that happened in it."""

    def __init__(self, profile="gov", *, at_us=NOW, tenant="default", **chosen):
        self.rules = rules_for(profile, at_us, policy_version="p1", **chosen)
        self.state = State(tenant)
        self.at_us = at_us
        self.events = []
        self.walked = set()

    def do(self, actor, *commands):
        """Carry out commands and give the change of the last."""
        for command in commands:
            change = perform(self.state, command, actor, self.at_us, self.rules)
            self.take(change)
        return change

    def refused(self, actor, command):
        """Give the code with which a command is refused, having seen that it left no trace."""
        before = self.everything()
        refusal = self._refusal(actor, command)
        assert self.everything() == before
        return refusal.code

    def missing(self, actor, command):
        """Give the fields that a refusal names."""
        return {each.field for each in self._refusal(actor, command).missing}

    def _refusal(self, actor, command):
        with pytest.raises(Forbidden) as caught:
            perform(self.state, command, actor, self.at_us, self.rules)
        return caught.value

    def pass_to(self, at_us):
        """Let time pass to an instant."""
        self.at_us = at_us
        change = tick(self.state, at_us, self.rules)
        self.take(change)
        return change

    def take(self, change):
        """Take a change over, holding its events against its state."""
        now = {noun: {each.id: each.status for each in self.state.all(kind)} for noun, kind in NOUNS.items()}
        for event in change.events:
            before = now[event.noun].get(event.id, "")
            after = event.changed.get("status", before)
            self.walked.add((event.noun, before, event.kind.partition(".")[2], after))
            now[event.noun][event.id] = after
        last = {(event.noun, event.id): event for event in change.events}
        assert set(last) == {(value.noun, value.id) for value in change.values}
        for value in change.values:
            event = last[value.noun, value.id]
            assert (event.version, event.digest) == (value.version, digest(value))
            assert change.state.get(type(value), value.id) == value
            packed = msgspec.msgpack.encode(value)
            assert msgspec.msgpack.decode(packed, type=NOUNS[value.noun]) == value
        self.state = change.state
        self.events += change.events

    def everything(self):
        return {noun: {each.id: each for each in self.state.all(kind)} for noun, kind in NOUNS.items()}

    def get(self, kind, id_):
        return self.state.get(kind, id_)

    # --- the steps ---------------------------------------------------------------------------------

    def risks(self):
        kept = tuple(
            risks.Disposition(risk=key, disposition="REDUCED", measure="確認", owner="saki", on=TODAY)
            for key in RISK_KEYS
        )
        self.do(SAKI, risks.DisposeRisks(kept))
        return self

    def scope(self, code="summary", verdict="ALLOWED", service="*", condition=""):
        rule = scope.ScopeRule(
            service=service, verdict=verdict, risk_note="公開情報のみ", condition=condition
        )
        self.do(SAKI, scope.WriteScope(code, "資料の要約", (rule,)))
        self.do(SHO, scope.PublishScope(code))
        return self

    def service(self, of=FACTS, *, id_="chat", active=True):
        self.do(KEN, registering.RegisterService(id_, of, TERMS))
        if of.contract_type is not ContractType.TERMS_OF_SERVICE:
            self.propose(of, id_=id_)
        self.do(JIRO, registering.SetLogPlan(id_, LOG_PLAN))
        if active:
            self.do(SAKI, registering.ActivateService(id_))
        return self

    def propose(self, of, *, id_="chat"):
        self.do(KEN, registering.ProposeFacts(id_, of, "契約の締結"))
        proposal = self.get(RegisteredService, id_).proposal
        self.do(SAKI, registering.ApproveFacts(id_, digest(proposal)))
        return self

    def authority(self, of=TARO, **fields):
        id_ = f"auth-{of.name}"
        self.do(KEN, authority.ProposeAuthority(id_, of.name, date(2026, 1, 1), **fields))
        self.do(SAKI, authority.ConfirmAuthority(id_))
        return self

    def operating_rules(self, sections=SECTIONS):
        self.do(SAKI, operating_rules.DraftRules("r1", sections, date(2026, 4, 1), date(2027, 3, 31)))
        self.do(SHO, operating_rules.PublishRules("r1"))
        return self

    def ready(self, of=FACTS):
        """Do everything that stands before the first application."""
        return self.risks().scope().service(of).authority().operating_rules()

    def advised(self, service="chat"):
        for part in self.rules.book.advice_bodies:
            self.do(HANAKO, advice.AskAdvice(f"{service}-{part}", service, part))
            self.do(SAKI, advice.RecordAdvice(f"{service}-{part}", "回答1", TODAY, "留意点なし", PROOF))
        return self

    def submit(self, of=None, *, id_="a1", by=HANAKO):
        self.do(by, applying.DraftApplication(id_, of or plan()), applying.SubmitApplication(id_))
        return self

    def examine(self, id_="a1", by=TARO):
        if self.get(Application, id_).status == "SUBMITTED":
            self.do(RIN, applying.TakeUpApplication(id_))
        self.do(by, self.review(id_))
        return self

    def review(self, id_="a1", **fields):
        fields = {
            "risks": RISK_KEYS,
            "plan_hash": self.hash(id_),
            "foreign_law_acknowledged": True,
            "foreign_law_note": NOTE,
        } | fields
        return applying.ReviewApplication(id_, **fields)

    def assessed(self, id_="a1"):
        self.do(RIN, assessment.Assess(f"ra-{id_}", id_, PARTS), assessment.SignAssessment(f"ra-{id_}"))
        return self

    def consented(self, id_="a1", answer="CONSENTED"):
        self.do(HANAKO, consent.DraftConsent(f"c-{id_}", id_), consent.SubmitConsent(f"c-{id_}", "報告1"))
        self.do(SAKI, consent.RecordConsent(f"c-{id_}", answer, "回答1", TODAY, PROOF))
        return self

    def hash(self, id_="a1"):
        return self.get(Application, id_).plan_hash

    def approval(self, id_="a1", **fields):
        fields = {
            "plan_hash": self.hash(id_),
            "administrator": "jiro",
            "appointment": f"p-{id_}",
            "advice_reflected": "助言のとおり措置する",
        } | fields
        return applying.ApproveApplication(id_, **fields)

    def approved(self, of=None, id_="a1"):
        self.submit(of, id_=id_).examine(id_)
        self.do(TARO, self.approval(id_))
        return self

    def accept(self, id_="a1", by=JIRO):
        self.do(by, appointment.AcceptAppointment(f"p-{id_}", f"g-{id_}"))
        return self

    def granted(self, of=None, id_="a1"):
        """Go the whole way for a class 1 plan."""
        return self.approved(of, id_).accept(id_)

    def granted_class_two(self, id_="a1"):
        """Go the whole way for part of class 2."""
        self.submit(class_two(), id_=id_).assessed(id_)
        if self.rules.consent_required:
            self.consented(id_)
        self.examine(id_)
        self.do(TARO, self.approval(id_))
        return self.accept(id_)


def everything_there_is():
    """Give an office in which there is at least one of each noun."""
    office = Office("gov").ready(CONTRACTED).advised()
    office.do(KEN, authority.ProposeRole("role-1", "rin", "reviewer"))
    office.granted_class_two()
    office.do(HANAKO, reports.OpenReport("i1", "INQUIRY", "使い方が分からない"))
    office.do(KEN, rereading.ReportTerms("t1", "chat", NEW_TERMS))
    return office
