"""The routes of what goes with using a service: each noun with its path, each command with its verb. Data."""

from __future__ import annotations

from sekimori.console.api.naming import Noun, Verb, of_agents, own, plain_verbs
from sekimori.governance import (
    acknowledgement,
    content_reading,
    feedback,
    issued,
    limiting,
    notices,
    provided,
    reports,
    review_sheet,
    secondary_use,
    triage,
    trial,
)
from sekimori.governance.conversation import Conversation

USING: tuple[Noun, ...] = (
    Noun(
        reports.Report,
        "reports",
        "インシデント・ヒヤリハット・問合せ",
        own("opened_by", "owner"),
        (
            Verb("open", reports.OpenReport, makes=True),
            *plain_verbs(take=reports.TakeReport, answer=reports.AnswerReport, close=reports.CloseReport),
        ),
    ),
    Noun(
        notices.Notice,
        "notices",
        "周知",
        own("editor"),
        (
            Verb("write", notices.WriteNotice, makes=True, replaces=True),
            *plain_verbs(publish=notices.PublishNotice, withdraw=notices.WithdrawNotice),
            Verb("acknowledge", acknowledgement.Acknowledge, key="notice", told=("channel",)),
            Verb("consent", trial.GiveTrialConsent, key="notice"),
            Verb("withdraw-consent", trial.WithdrawTrialConsent, key="notice"),
        ),
    ),
    Noun(acknowledgement.Acknowledgement, "acknowledgements", "周知の確認", own("subject")),
    Noun(Conversation, "conversations", "会話", of_agents),
    Noun(
        feedback.Feedback,
        "feedback",
        "フィードバック",
        own("subject", "by"),
    ),
    Noun(
        triage.TriageTask,
        "triage-tasks",
        "フィードバックへの対応",
        own("owner", "resolver"),
        (
            Verb("confirm", triage.ConfirmTask, settles=True),
            *plain_verbs(
                take=triage.TakeTask,
                resolve=triage.ResolveTask,
                return_=triage.ReturnTask,
            ),
        ),
    ),
    Noun(trial.TrialConsent, "trials", "検証への同意", own("subject")),
    Noun(
        secondary_use.SecondaryUse,
        "secondary-uses",
        "二次利用",
        own("author", "responsible"),
        (
            Verb("record", secondary_use.RecordSecondaryUse, makes=True),
            *plain_verbs(
                review=secondary_use.ReviewSecondaryUse,
                withdraw=secondary_use.WithdrawSecondaryUse,
            ),
        ),
    ),
    Noun(
        limiting.ServiceLimits,
        "limits",
        "利用の制限",
        own("editor"),
        (
            Verb("set", limiting.SetLimits, key="service", replaces=True),
            Verb("confirm", limiting.ConfirmLimits, key="service"),
            Verb("refuse", limiting.RefuseLimits, key="service"),
            Verb("suspend", limiting.SuspendUse, key="service"),
            Verb("resume", limiting.ResumeUse, key="service"),
        ),
    ),
    Noun(
        review_sheet.ReviewSheet,
        "reviews",
        "点検",
        own("signed_by"),
        (Verb("sign", review_sheet.SignSheet),),
    ),
    Noun(
        content_reading.ContentReading,
        "content-readings",
        "内容の閲覧",
        own("reader", "subject"),
        (
            Verb("ask", content_reading.AskReading, makes=True, told=("subject", "unit")),
            *plain_verbs(
                allow=content_reading.AllowReading,
                refuse=content_reading.RefuseReading,
                end=content_reading.EndReading,
            ),
        ),
    ),
    Noun(
        provided.ProvidedDocument,
        "provided-documents",
        "提供者の文書",
        own("kept_by"),
        (
            Verb("keep", provided.KeepDocument, makes=True),
            Verb("supersede", provided.SupersedeDocument),
        ),
    ),
    Noun(issued.IssuedDocument, "documents", "交付した文書", own("issued_by")),
)
