"""The routes of what leads to a grant: each noun with its path, each command with its verb. Data."""

from __future__ import annotations

from sekimori.console.api.naming import (
    Noun,
    Verb,
    of_applications,
    of_authorities,
    of_the_application,
    own,
    plain_verbs,
)
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
    rereading,
    risks,
    scope,
)
from sekimori.governance.application import Application
from sekimori.governance.service import RegisteredService
from sekimori.governance.terms import TermsChange

GRANTING: tuple[Noun, ...] = (
    Noun(
        RegisteredService,
        "services",
        "サービス台帳",
        own("editor"),
        (
            Verb("register", registering.RegisterService, makes=True, told=("owner_file",)),
            Verb("describe", registering.DescribeService, replaces=True),
            Verb("propose-facts", registering.ProposeFacts, replaces=True),
            Verb("set-log-plan", registering.SetLogPlan, replaces=True),
            Verb("activate", registering.ActivateService, settles=True),
            *plain_verbs(
                approve_facts=registering.ApproveFacts,
                refuse_facts=registering.RefuseFacts,
                suspend=registering.SuspendService,
                resume=registering.ResumeService,
                retire=registering.RetireService,
            ),
        ),
    ),
    Noun(
        scope.WorkScope,
        "work-scopes",
        "業務区分",
        own("editor"),
        (
            Verb("write", scope.WriteScope, makes=True, replaces=True),
            Verb("publish", scope.PublishScope, settles=True),
            *plain_verbs(revise=scope.ReviseScope, retire=scope.RetireScope),
        ),
    ),
    Noun(
        risks.RiskRegister,
        "risks",
        "10のリスク",
        own(),
        (Verb("dispose", risks.DisposeRisks, key="", replaces=True),),
    ),
    Noun(
        operating_rules.OperatingRules,
        "rules",
        "運用規程",
        own("author"),
        (
            Verb("draft", operating_rules.DraftRules, makes=True, replaces=True),
            Verb("publish", operating_rules.PublishRules, settles=True),
            *plain_verbs(withdraw=operating_rules.WithdrawRules),
        ),
    ),
    Noun(
        authority.ApprovalAuthority,
        "authorities",
        "許可権限者",
        of_authorities,
        (
            Verb("propose", authority.ProposeAuthority, makes=True),
            Verb("delegate", authority.DelegateAuthority, replaces=True),
            *plain_verbs(confirm=authority.ConfirmAuthority, end=authority.EndAuthority),
        ),
    ),
    Noun(
        authority.RoleAssignment,
        "roles",
        "役割",
        own("holder"),
        (
            Verb("propose", authority.ProposeRole, makes=True),
            *plain_verbs(confirm=authority.ConfirmRole, end=authority.EndRole),
        ),
    ),
    Noun(
        Application,
        "applications",
        "利用申請",
        of_applications,
        (
            Verb("draft", applying.DraftApplication, makes=True),
            Verb("edit", applying.EditApplication, replaces=True, told=("version",)),
            Verb("approve", applying.ApproveApplication, fresh=("appointment",)),
            *plain_verbs(
                submit=applying.SubmitApplication,
                withdraw=applying.WithdrawApplication,
                take_up=applying.TakeUpApplication,
                review=applying.ReviewApplication,
                return_=applying.ReturnApplication,
                reopen=applying.ReopenApplication,
                reject=applying.RejectApplication,
            ),
        ),
    ),
    Noun(
        assessment.RiskAssessment,
        "assessments",
        "リスク分析",
        own("assessor", "applicant"),
        (
            Verb("assess", assessment.Assess, makes=True, replaces=True),
            Verb("sign", assessment.SignAssessment),
        ),
    ),
    Noun(
        consent.ExternalConsent,
        "consents",
        "了解",
        of_the_application("recorded_by"),
        (
            Verb("draft", consent.DraftConsent, makes=True),
            *plain_verbs(
                submit=consent.SubmitConsent,
                record=consent.RecordConsent,
                meet_conditions=consent.MeetConditions,
            ),
        ),
    ),
    Noun(
        advice.AdviceRecord,
        "advice",
        "助言",
        own(),
        (
            Verb("ask", advice.AskAdvice, makes=True),
            *plain_verbs(record=advice.RecordAdvice, withdraw=advice.WithdrawAdvice),
        ),
    ),
    Noun(
        appointment.Appointment,
        "appointments",
        "クラウドサービス管理者の指名",
        of_the_application("administrator", "appointed_by"),
        (
            Verb("nominate", appointment.Nominate, makes=True),
            Verb("accept", appointment.AcceptAppointment, fresh=("grant",)),
            Verb("complete-measures", appointment.CompleteMeasures, replaces=True),
            *plain_verbs(decline=appointment.DeclineAppointment, resign=appointment.ResignAppointment),
        ),
    ),
    Noun(
        grant.Grant,
        "grants",
        "利用承認",
        own("applicant", "administrator", "users"),
        (
            Verb("renew", renewal.RenewGrant, fresh=("application",)),
            *plain_verbs(suspend=grant.SuspendGrant, resume=grant.ResumeGrant, revoke=grant.RevokeGrant),
        ),
    ),
    Noun(
        TermsChange,
        "terms-changes",
        "約款の変更",
        own(),
        (
            Verb("report", rereading.ReportTerms, makes=True),
            *plain_verbs(confirm=rereading.ConfirmTerms, reject=rereading.RejectTerms),
        ),
    ),
)
