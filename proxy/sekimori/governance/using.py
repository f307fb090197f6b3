"""Every command about using a service, beside those that lead to a grant; and what its clock does.

``perform`` carries out the commands of both. What no person does (counting exchanges, issuing tokens,
drawing samples, preparing sheets) is no command: those functions are called with the clock as their actor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sekimori.governance import (
    accounts,
    acknowledgement,
    commands,
    content_reading,
    conversation,
    counting,
    feedback,
    issued,
    limiting,
    notices,
    provided,
    review_sheet,
    secondary_use,
    triage,
    trial,
)
from sekimori.governance.actors import ROLES, Actor, clock
from sekimori.governance.change import Change
from sekimori.governance.machine import Machine
from sekimori.governance.refusals import refuse
from sekimori.governance.state import Aggregate, State
from sekimori.governance.tick import tick
from sekimori.governance.use_rules import UseRules

Verb = Callable[[State, Any, Actor, int, UseRules], Change]

VERBS: dict[type[Any], Verb] = {
    notices.WriteNotice: notices.write_notice,
    notices.PublishNotice: notices.publish_notice,
    notices.WithdrawNotice: notices.withdraw_notice,
    acknowledgement.Acknowledge: acknowledgement.acknowledge,
    feedback.AnswerFeedback: feedback.answer_feedback,
    feedback.AnswerAsAgent: feedback.answer_as_agent,
    triage.TakeTask: triage.take_task,
    triage.ResolveTask: triage.resolve_task,
    triage.ConfirmTask: triage.confirm_task,
    triage.ReturnTask: triage.return_task,
    trial.GiveTrialConsent: trial.give_trial_consent,
    trial.WithdrawTrialConsent: trial.withdraw_trial_consent,
    secondary_use.RecordSecondaryUse: secondary_use.record_secondary_use,
    secondary_use.ReviewSecondaryUse: secondary_use.review_secondary_use,
    secondary_use.WithdrawSecondaryUse: secondary_use.withdraw_secondary_use,
    limiting.SetLimits: limiting.set_limits,
    limiting.ConfirmLimits: limiting.confirm_limits,
    limiting.RefuseLimits: limiting.refuse_limits,
    limiting.SuspendUse: limiting.suspend_use,
    limiting.ResumeUse: limiting.resume_use,
    review_sheet.SignSheet: review_sheet.sign_sheet,
    content_reading.AskReading: content_reading.ask_reading,
    content_reading.AllowReading: content_reading.allow_reading,
    content_reading.RefuseReading: content_reading.refuse_reading,
    content_reading.OpenContent: content_reading.open_content,
    content_reading.EndReading: content_reading.end_reading,
    issued.IssueDocument: issued.issue_document,
    provided.KeepDocument: provided.keep_document,
    provided.SupersedeDocument: provided.supersede_document,
}
NOUNS: dict[str, type[Aggregate]] = {
    kind.noun: kind
    for kind in (
        *(notices.Notice, acknowledgement.Acknowledgement, conversation.Conversation),
        *(feedback.FeedbackToken, feedback.Feedback, triage.TriageTask, trial.TrialConsent),
        *(secondary_use.SecondaryUse, limiting.ServiceLimits, review_sheet.ReviewSheet),
        *(content_reading.ContentReading, issued.IssuedDocument, provided.ProvidedDocument, counting.Counted),
        accounts.AccountKept,
    )
}
MACHINES: dict[str, Machine] = {
    machine.noun: machine
    for machine in (
        *(notices.MACHINE, acknowledgement.MACHINE, conversation.MACHINE, feedback.TOKEN_MACHINE),
        *(feedback.MACHINE, triage.MACHINE, trial.MACHINE, secondary_use.MACHINE, limiting.MACHINE),
        review_sheet.MACHINE,
        *(content_reading.MACHINE, issued.MACHINE, provided.MACHINE, counting.MACHINE),
        accounts.MACHINE,
    )
}


def perform(state: State, command: Any, actor: Actor, at_us: int, rules: UseRules) -> Change:
    """Carry out a command: all of it, or nothing and ``Forbidden``."""
    verb = VERBS.get(type(command))
    if verb is None:
        return commands.perform(state, command, actor, at_us, rules)
    if not actor.name.strip() or not actor.roles <= frozenset(ROLES):
        raise refuse("role", roles=", ".join(ROLES))
    if actor.tenant != state.tenant:
        raise refuse("other-tenant")
    return verb(state, command, actor, at_us, rules)


def pass_time(state: State, at_us: int, rules: UseRules) -> Change:
    """Carry out everything that is due by ``at_us``: grants, tasks, sheets."""
    actor = clock(state.tenant)
    done = tick(state, at_us, rules)
    for step in (triage.lapse_tasks, review_sheet.press_sheets, provided.lapse_documents):
        after = step(done.state, actor, at_us, rules)
        done = Change(after.state, (*done.events, *after.events), (*done.values, *after.values))
    return done
