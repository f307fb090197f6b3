"""Draw the state machines of governance into ``docs/governance.md``, from the tables that the code obeys."""

from __future__ import annotations

import re
from pathlib import Path

from sekimori.governance import commands, using

MACHINES = commands.MACHINES | using.MACHINES
PAGE = Path(__file__).with_name("governance.md")
TITLES = {
    "application": "Application (利用申請)",
    "appointment": "Appointment (クラウドサービス管理者の指名)",
    "grant": "Grant (利用承認)",
    "service": "Service in the register (台帳)",
    "terms_change": "Changed terms (約款の変更)",
    "external_consent": "Consent (了解)",
    "advice_record": "Advice (助言)",
    "risk_assessment": "Risk analysis (リスク分析)",
    "operating_rules": "Operating rules (運用規程)",
    "work_scope": "Work scope (業務区分)",
    "risk_register": "The ten risks",
    "approval_authority": "Approval authority (許可権限者)",
    "role_assignment": "Role",
    "report": "Incident, near miss, inquiry",
    "notice": "Notice (周知)",
    "acknowledgement": "Acknowledgement (確認)",
    "conversation": "Conversation, and what is owed on it",
    "feedback_token": "Feedback token",
    "feedback": "Feedback",
    "triage_task": "Triage task",
    "trial_consent": "Consent to a trial (テスト参加の同意)",
    "secondary_use": "Secondary use (二次利用)",
    "service_limits": "Limits of a service",
    "review_sheet": "Review sheet (ログの点検)",
    "content_reading": "Reading of content (内容の閲覧)",
    "issued_document": "Document handed out (交付文書)",
    "provided_document": "Document of a provider",
    "counted": "How far the record was counted",
    "account": "Account, as it was noted",
}
_MARKED = re.compile(r"(<!-- diagrams -->\n).*?(<!-- /diagrams -->)", re.DOTALL)


def drawn() -> str:
    """Give every table as a diagram and as the list of what each step asks."""
    return "\n".join(_section(noun, title) for noun, title in TITLES.items())


def _section(noun: str, title: str) -> str:
    machine = MACHINES[noun]
    asks: dict[str, dict[str, None]] = {}
    for row in machine.rows:
        words = [name.replace("_", " ") for name in row.guards]
        asks.setdefault(row.verb, {}).update(dict.fromkeys(words))
    lines = [f"- `{verb}`: {', '.join(words)}" for verb, words in asks.items() if words]
    asked = ["", *lines] if lines else []
    return "\n".join([f"### {title}", "", "```mermaid", machine.diagram(), "```", *asked, ""])


def redrawn(page: str) -> str:
    """Give the page with its diagrams drawn again."""
    return _MARKED.sub(lambda found: f"{found[1]}\n{drawn()}\n{found[2]}", page)


if __name__ == "__main__":
    PAGE.write_text(redrawn(PAGE.read_text("utf-8")), "utf-8")
