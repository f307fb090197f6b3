"""Every command, and the one way to carry any of them out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sekimori.governance import (
    advice,
    applying,
    appointment,
    assessment,
    authority,
    consent,
    grant,
    operating_rules,
    registering,
    renewal,
    reports,
    rereading,
    risks,
    scope,
)
from sekimori.governance.actors import ROLES, Actor
from sekimori.governance.application import Application, Counter
from sekimori.governance.change import Change
from sekimori.governance.machine import Machine
from sekimori.governance.refusals import refuse
from sekimori.governance.rules import Rules
from sekimori.governance.service import RegisteredService
from sekimori.governance.state import Aggregate, State
from sekimori.governance.terms import TermsChange

Verb = Callable[[State, Any, Actor, int, Rules], Change]

VERBS: dict[type[Any], Verb] = {
    risks.DisposeRisks: risks.dispose_risks,
    scope.WriteScope: scope.write_scope,
    scope.PublishScope: scope.publish_scope,
    scope.ReviseScope: scope.revise_scope,
    scope.RetireScope: scope.retire_scope,
    registering.RegisterService: registering.register_service,
    registering.DescribeService: registering.describe_service,
    registering.ProposeFacts: registering.propose_facts,
    registering.ApproveFacts: registering.approve_facts,
    registering.RefuseFacts: registering.refuse_facts,
    registering.SetLogPlan: registering.set_log_plan,
    registering.ActivateService: registering.activate_service,
    registering.SuspendService: registering.suspend_service,
    registering.ResumeService: registering.resume_service,
    registering.RetireService: registering.retire_service,
    rereading.ReportTerms: rereading.report_terms,
    rereading.ConfirmTerms: rereading.confirm_terms,
    rereading.RejectTerms: rereading.reject_terms,
    authority.ProposeAuthority: authority.propose_authority,
    authority.ConfirmAuthority: authority.confirm_authority,
    authority.DelegateAuthority: authority.delegate_authority,
    authority.EndAuthority: authority.end_authority,
    authority.ProposeRole: authority.propose_role,
    authority.ConfirmRole: authority.confirm_role,
    authority.EndRole: authority.end_role,
    operating_rules.DraftRules: operating_rules.draft_rules,
    operating_rules.PublishRules: operating_rules.publish_rules,
    operating_rules.WithdrawRules: operating_rules.withdraw_rules,
    applying.DraftApplication: applying.draft_application,
    applying.EditApplication: applying.edit_application,
    applying.SubmitApplication: applying.submit_application,
    applying.WithdrawApplication: applying.withdraw_application,
    applying.TakeUpApplication: applying.take_up_application,
    applying.ReviewApplication: applying.review_application,
    applying.ReturnApplication: applying.return_application,
    applying.ReopenApplication: applying.reopen_application,
    applying.RejectApplication: applying.reject_application,
    applying.ApproveApplication: applying.approve_application,
    assessment.Assess: assessment.assess,
    assessment.SignAssessment: assessment.sign_assessment,
    consent.DraftConsent: consent.draft_consent,
    consent.SubmitConsent: consent.submit_consent,
    consent.RecordConsent: consent.record_consent,
    consent.MeetConditions: consent.meet_conditions,
    advice.AskAdvice: advice.ask_advice,
    advice.RecordAdvice: advice.record_advice,
    advice.WithdrawAdvice: advice.withdraw_advice,
    appointment.Nominate: appointment.nominate,
    appointment.AcceptAppointment: appointment.accept_appointment,
    appointment.DeclineAppointment: appointment.decline_appointment,
    appointment.ResignAppointment: appointment.resign_appointment,
    appointment.CompleteMeasures: appointment.complete_measures,
    grant.SuspendGrant: grant.suspend_grant,
    grant.ResumeGrant: grant.resume_grant,
    grant.RevokeGrant: grant.revoke_grant,
    renewal.RenewGrant: renewal.renew_grant,
    reports.OpenReport: reports.open_report,
    reports.TakeReport: reports.take_report,
    reports.AnswerReport: reports.answer_report,
    reports.CloseReport: reports.close_report,
}
# What a store has to be able to read back, by noun.
NOUNS: dict[str, type[Aggregate]] = {
    kind.noun: kind
    for kind in (
        *(risks.RiskRegister, scope.WorkScope, RegisteredService, TermsChange, authority.ApprovalAuthority),
        *(authority.RoleAssignment, operating_rules.OperatingRules, Application, Counter),
        *(assessment.RiskAssessment, consent.ExternalConsent, advice.AdviceRecord, appointment.Appointment),
        *(grant.Grant, reports.Report),
    )
}
MACHINES: dict[str, Machine] = {
    machine.noun: machine
    for machine in (
        *(applying.MACHINE, appointment.MACHINE, grant.MACHINE, registering.MACHINE, rereading.MACHINE),
        *(consent.MACHINE, advice.MACHINE, assessment.MACHINE, operating_rules.MACHINE, scope.MACHINE),
        *(risks.MACHINE, authority.MACHINE, authority.ROLE_MACHINE, reports.MACHINE),
    )
}


def perform(state: State, command: Any, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Carry out a command: all of it, or nothing and ``Forbidden``."""
    if not actor.name.strip() or not actor.roles <= frozenset(ROLES):
        raise refuse("role", roles=", ".join(ROLES))
    if actor.tenant != state.tenant:
        raise refuse("other-tenant")
    return VERBS[type(command)](state, command, actor, at_us, rules)
