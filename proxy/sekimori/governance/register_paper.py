"""The 承認クラウドサービス台帳 on paper: one line a grant, as the register and the grants are one [UK-423-2c]."""

from __future__ import annotations

from collections.abc import Iterator

from sekimori.governance import form_kinds as kind
from sekimori.governance.calendar import jst_date
from sekimori.governance.grant import Grant
from sekimori.governance.paper import Grid, Line, Paper
from sekimori.governance.service import ContractType, RegisteredService
from sekimori.governance.state import State

KIND = "sekimori.service-register/1"
TITLE = "承認クラウドサービス台帳"
CONTRACTS = {
    ContractType.TERMS_OF_SERVICE: "約款型",
    ContractType.INDIVIDUAL_CONTRACT: "個別契約等",
    ContractType.ORG_OPERATED: "組織運用",
}
STATUSES = {
    "SCHEDULED": "開始前",
    "ACTIVE": "利用中",
    "RENEWAL_IN_PROGRESS": "更新申請中",
    "SUSPENDED": "停止中",
    "EXPIRED": "期間終了",
    "REVOKED": "取消",
}
# Caption, name in JSON, width.
COLUMNS = (
    ("報告番号", "report_no", 20),
    ("サービス", "service_name", 20),
    ("提供者", "provider", 20),
    ("契約形態", "contract_type", 12),
    ("業務区分", "work_scopes", 14),
    ("機密性", "max_class", 13),
    ("開始日", "start", 17),
    ("終了日", "end", 17),
    ("許可権限者", "approver", 14),
    ("クラウドサービス管理者", "administrator", 14),
    ("利用者の範囲", "users", 18),
    ("データの所在地", "data_locations", 11),
    ("状態", "status", 12),
)


def register_paper(state: State, at_us: int) -> Paper:
    """Lay out the register as it stands: every grant that was ever issued, by its report number."""
    rows = [
        _row(state, grant) for grant in sorted(state.all(Grant), key=lambda each: (each.report_no, each.id))
    ]
    grid = Grid(
        name="台帳",
        heads=tuple(caption for caption, _, _ in COLUMNS),
        lines=tuple(Line(row) for row in rows),
        widths=tuple(width for _, _, width in COLUMNS),
    )
    names = [name for _, name, _ in COLUMNS]
    return Paper(
        kind=KIND,
        title=TITLE,
        lines=(f"{kind.DATE.show(jst_date(at_us))}現在", f"承認 {len(rows)}件"),
        grids=(grid,),
        content={
            "tenant": state.tenant,
            "as_of": jst_date(at_us).isoformat(),
            "entries": [dict(zip(names, row, strict=True)) for row in rows],
        },
    )


def _row(state: State, grant: Grant) -> tuple[str, ...]:
    service = state.find(RegisteredService, grant.service)
    return (
        grant.report_no,
        service.facts.name if service else grant.service,
        service.facts.provider if service else "",
        CONTRACTS[service.facts.contract_type] if service else "",
        "\n".join(grant.work_scopes),
        kind.CLASS.show(grant.max_class),
        kind.DATE.show(grant.period.start),
        kind.DATE.show(grant.period.end),
        grant.decided_by,
        grant.administrator,
        "\n".join(_users(grant)),
        "\n".join(service.facts.data_locations) if service else "",
        STATUSES.get(grant.status, grant.status),
    )


def _users(grant: Grant) -> Iterator[str]:
    yield from grant.groups
    if grant.users:
        yield f"ほか{len(grant.users)}名" if grant.groups else f"{len(grant.users)}名"
