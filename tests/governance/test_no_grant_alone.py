"""No sequence of commands leads to a grant without two different people and an administrator who accepted.

Everybody here holds every role, and writes their name in two ways: only the four eyes are in the way. What
is claimed is read from the events alone, as an auditor would.
"""

from datetime import date

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sekimori.governance import advice, applying, appointment, assessment, authority, consent, registering
from sekimori.governance.actors import Actor
from sekimori.governance.admitted import grants_document, withheld
from sekimori.governance.application import Application
from sekimori.governance.appointment import Appointment
from sekimori.governance.grant import Grant, ResumeGrant, RevokeGrant, SuspendGrant
from sekimori.governance.plan import with_fields
from sekimori.governance.refusals import Forbidden
from sekimori.governance.registering import ApproveFacts, ProposeFacts
from sekimori.governance.renewal import RenewGrant
from sekimori.governance.rereading import ConfirmTerms, RejectTerms, ReportTerms
from sekimori.governance.service import ContractType, RegisteredService, TermsDocument
from sekimori.governance.state import digest
from sekimori.policy.people import canonical_name
from sekimori.policy.snapshot import compile_snapshot
from support.offices import (
    CONTRACTED,
    DAY,
    FACTS,
    PARTS,
    PROOF,
    TODAY,
    Office,
    class_two,
    plan,
)

ROLES = frozenset(
    {
        *("staff", "approval_authority", "cloud_service_administrator", "reviewer", "security_officer"),
        "system_administrator",
    }
)
NAMES = ("hanako", "taro", "jiro", "ＨＡＮＡＫＯ", "Taro ", "Jiro")
people = st.sampled_from([Actor(name, ROLES, "soumu") for name in NAMES])
names = st.sampled_from(NAMES)
ids = st.integers(0, 9)
plans = st.sampled_from(
    [
        plan(users=(), groups=("soumu",)),
        plan(users=("taro",), groups=()),
        class_two(users=(), groups=("soumu",)),
        class_two(users=(), groups=("soumu",), checklist=()),
        class_two(users=(), groups=("soumu",), information_types=()),
    ]
)
PROVEN = st.sampled_from(
    [
        ("assessed", "consented"),
        ("assessed", "consented"),
        ("assessed", "consented"),
        ("assessed",),
        ("consented",),
    ]
)
STEPS = (
    *("draft", "edit", "submit", "examine", "prove", "report", "approve", "refuse", "reopen", "withdraw"),
    *("nominate", "accept", "leave", "stop", "renew"),
)
MOVES = ("recontract", "suspend_service", "change_terms", "appoint", "take_advice_back", "wait")


class Governance(RuleBasedStateMachine):
    """Three people with every role, and all the time in the world."""

    @initialize(of=st.sampled_from([FACTS, CONTRACTED]))
    def begin(self, of):
        self.office = Office("gov").ready(of)
        self.issued = []
        self.known = ["a1", "a2"]
        self.office.authority(Actor("hanako", ROLES))

    def attempt(self, actor, make):
        """Carry out a command if it may be, and note each grant with the law of its instant."""
        office = self.office
        try:
            command = make(office)
            change = office.do(actor, command)
        except Forbidden:
            return
        for event in change.events:
            if event.kind == "grant.issue":
                facts = office.get(RegisteredService, "chat").facts
                self.issued.append((office.get(Grant, event.id), facts.contract_type))

    # --- the way, by anybody -----------------------------------------------------------------------------

    def draft(self, by, id_, of):
        self.attempt(by, lambda _: applying.DraftApplication(id_, of))

    def edit(self, by, id_, of):
        self.attempt(by, lambda o: applying.EditApplication(id_, of, o.get(Application, id_).version))

    def submit(self, by, id_):
        self.attempt(by, lambda _: applying.SubmitApplication(id_))

    def examine(self, by, id_):
        self.attempt(by, lambda _: applying.TakeUpApplication(id_))
        self.attempt(by, lambda o: o.review(id_))

    def prove(self, by, id_):
        self.attempt(by, lambda _: assessment.Assess(f"ra-{id_}", id_, PARTS))
        self.attempt(by, lambda _: assessment.SignAssessment(f"ra-{id_}"))

    def report(self, by, id_, answer):
        self.attempt(by, lambda _: consent.DraftConsent(f"c-{id_}", id_))
        self.attempt(by, lambda _: consent.SubmitConsent(f"c-{id_}", "報告1"))
        self.attempt(by, lambda _: consent.RecordConsent(f"c-{id_}", answer, "回答1", TODAY, PROOF))

    def approve(self, by, id_, administrator):
        self.attempt(by, lambda o: o.approval(id_, administrator=administrator, appointment=self.fresh()))

    def refuse(self, by, id_, verb):
        self.attempt(by, lambda o: verb(id_, "理由", o.hash(id_)))

    def reopen(self, by, id_):
        self.attempt(by, lambda _: applying.ReopenApplication(id_))

    def withdraw(self, by, id_):
        self.attempt(by, lambda _: applying.WithdrawApplication(id_))

    def nominate(self, by, id_, administrator):
        self.attempt(by, lambda _: appointment.Nominate(self.fresh(), id_, administrator))

    def accept(self, by, id_):
        self.attempt(
            by, lambda o: appointment.AcceptAppointment(o.get(Application, id_).appointment, self.fresh())
        )

    def leave(self, by, id_, verb):
        self.attempt(by, lambda o: getattr(appointment, verb)(o.get(Application, id_).appointment, "異動"))

    def stop(self, by, id_, verb):
        self.attempt(by, lambda o: verb(o.get(Application, id_).grant, "理由"))

    def renew(self, by, id_):
        self.attempt(by, lambda o: RenewGrant(o.get(Application, id_).grant, self.fresh()))

    # --- the ground moves --------------------------------------------------------------------------------

    def recontract(self, by, and_by, of):
        self.attempt(by, lambda _: ProposeFacts("chat", of, "契約"))
        self.attempt(
            and_by, lambda o: ApproveFacts("chat", digest(o.get(RegisteredService, "chat").proposal))
        )

    def suspend_service(self, by):
        self.attempt(by, lambda _: registering.SuspendService("chat", "事故"))
        self.attempt(by, lambda _: registering.ResumeService("chat", "復旧"))

    def change_terms(self, by, and_by, verb):
        id_ = self.fresh()
        terms = TermsDocument(url="https://example.com", sha256=id_.ljust(64, "0"), retrieved_on=TODAY)
        self.attempt(by, lambda _: ReportTerms(id_, "chat", terms))
        self.attempt(and_by, lambda _: verb(id_, "確認"))

    def appoint(self, by, and_by, holder):
        id_ = self.fresh()
        self.attempt(by, lambda _: authority.ProposeAuthority(id_, holder, date(2026, 1, 1)))
        self.attempt(and_by, lambda _: authority.ConfirmAuthority(id_))

    def take_advice_back(self, by):
        self.attempt(by, lambda _: advice.WithdrawAdvice("chat-digital_agency", "誤り"))

    def wait(self, days):
        self.office.pass_to(self.office.at_us + days * DAY)

    # --- what shall happen often enough to be worth looking at ------------------------------------------

    @rule(
        of=plans,
        by=st.tuples(*[people] * 5),
        nominee=people,
        proven=PROVEN,
        far=st.sampled_from([3, 5, 7, 7, 7]),
    )
    def walk(self, of, by, nominee, proven, far):
        """Walk towards a grant with whoever comes, some of the way, and not with every proof."""
        applicant, assessor, reporter, decider, acceptor = by
        id_ = self.fresh()
        self.known.append(id_)
        current = self.office.get(RegisteredService, "chat").terms
        fresh = with_fields(of, terms_check=msgspec.structs.replace(of.terms_check, sha256=current.sha256))
        steps = (
            lambda: self.draft(applicant, id_, fresh),
            lambda: self.submit(applicant, id_),
            lambda: "assessed" in proven and self.prove(assessor, id_),
            lambda: "consented" in proven and self.report(reporter, id_, "CONSENTED"),
            lambda: self.examine(assessor, id_) or self.examine(decider, id_),
            lambda: self.approve(decider, id_, nominee.name),
            lambda: self.accept(acceptor, id_) or self.accept(nominee, id_),
        )
        for step in steps[:far]:
            step()

    @rule(of=plans, by=st.tuples(*[people] * 5), nominee=people, proven=PROVEN)
    def walk_on(self, of, by, nominee, proven):
        """Walk the whole way: said twice, as it is what the rest is about."""
        self.walk(of, by, nominee, proven, 7)

    @rule(
        by=people, other=people, nth=st.integers(0, 9), of=plans, nominee=names, step=st.sampled_from(STEPS)
    )
    def step_aside(self, by, other, nth, of, nominee, step):
        """Do something with one of the applications, whoever it is and whatever state it is in."""
        id_ = self.known[-1 - nth % len(self.known)]
        more = {
            "draft": (of,),
            "edit": (of,),
            "report": ("CONDITIONAL",),
            "approve": (nominee,),
            "nominate": (nominee,),
            "refuse": (applying.ReturnApplication if nth % 2 else applying.RejectApplication,),
            "leave": ("DeclineAppointment" if nth % 2 else "ResignAppointment",),
            "stop": ((SuspendGrant, ResumeGrant, RevokeGrant)[nth % 3],),
        }
        getattr(self, step)(by, id_, *more.get(step, ()))

    @rule(by=people, other=people, nth=st.integers(0, 9), holder=names, move=st.sampled_from(MOVES))
    def move_the_ground(self, by, other, nth, holder, move):
        """Change what everything rests on: the contract, the terms, the authorities, the time."""
        if move == "recontract":
            self.recontract(by, other, CONTRACTED if nth % 2 else FACTS)
        elif move == "change_terms":
            self.change_terms(by, other, ConfirmTerms if nth % 4 else RejectTerms)
        elif move == "appoint":
            self.appoint(by, other, holder)
        elif move == "wait":
            self.wait((0, 1, 40, 400)[nth % 4])
        else:
            getattr(self, move)(by)

    # --- what is claimed --------------------------------------------------------------------------------

    @invariant()
    def no_grant_without_two_people_and_an_administrator_who_accepted(self):
        events = self.office.events
        for grant, _ in self.issued:
            applied = who(events, "application.submit", grant.application)
            decided = who(events, "application.approve", grant.application)
            accepted = who(events, "appointment.accept", grant.appointment)
            assert applied
            assert decided
            assert not applied & decided
            assert decided & {canonical_name(grant.decided_by)}
            assert accepted == {canonical_name(grant.administrator)}
            assert not accepted & {canonical_name(grant.decided_by)}
            assert canonical_name(grant.decided_by) not in map(canonical_name, grant.users)
            assert decided <= self.authorities_of(grant)

    @invariant()
    def no_grant_for_confidential_information_on_terms_of_service(self):
        for grant, contract_type in self.issued:
            assert grant.max_class in (1, 2)
            if grant.max_class == 2:
                assert contract_type is not ContractType.TERMS_OF_SERVICE
                assert grant.consent
                analysis = self.office.get(assessment.RiskAssessment, grant.risk_assessment)
                assert canonical_name(analysis.assessor) != canonical_name(grant.applicant)
                assert grant.information_types
                assert len(grant.checklist) == 6

    @invariant()
    def a_grant_that_is_live_has_an_administrator_who_serves(self):
        for grant in self.office.state.all(Grant):
            if grant.status in ("SCHEDULED", "ACTIVE", "RENEWAL_IN_PROGRESS"):
                assert self.office.get(Appointment, grant.appointment).status == "ACCEPTED"

    @invariant()
    def nobody_confirmed_an_authority_that_they_proposed_or_hold(self):
        for each in self.office.state.all(authority.ApprovalAuthority):
            if each.confirmed_by:
                two = {canonical_name(each.proposed_by), canonical_name(each.holder)}
                assert canonical_name(each.confirmed_by) not in two

    @invariant()
    def what_there_is_always_compiles(self):
        office = self.office
        document = grants_document(office.state, office.at_us, office.rules)
        left = withheld(office.state, office.at_us, office.rules)
        compile_snapshot(document, profile="gov", catalogue_flags=lambda _: (), now_us=office.at_us)
        assert not {each.id for each in left} & set(document.grants)

    def authorities_of(self, grant):
        """List who was ever confirmed as an authority that covers the grant."""
        every = self.office.state.all(authority.ApprovalAuthority)
        return {
            canonical_name(each.holder)
            for each in every
            if each.confirmed_by and each.covers(grant.service, grant.unit)
        }

    def fresh(self):
        """Give an id that nothing has."""
        self.count = getattr(self, "count", 0) + 1
        return f"x{self.count}"


def who(events, kind, id_):
    return {canonical_name(event.by) for event in events if (event.kind, event.id) == (kind, id_)}


Governance.TestCase.settings = settings(max_examples=200, stateful_step_count=16, deadline=None)
TestNoGrantAlone = Governance.TestCase


def test_the_whole_way_is_one_that_the_machine_really_walks():
    machine = Governance()
    machine.begin(CONTRACTED)
    hanako, taro, jiro = (Actor(name, ROLES, "soumu") for name in ("hanako", "taro", "jiro"))
    for of in (plan(users=(), groups=("soumu",)), class_two(users=(), groups=("soumu",))):
        machine.walk_on(of, (hanako, taro, taro, taro, taro), jiro, ("assessed", "consented"))
    assert [grant.max_class for grant, _ in machine.issued] == [1, 2]
    machine.no_grant_without_two_people_and_an_administrator_who_accepted()
    machine.no_grant_for_confidential_information_on_terms_of_service()
