"""The ten risks of using a cloud service, and what an organisation has decided about each.

The risks are those of 政府機関等の対策基準策定のためのガイドライン 4.2.3(1)(a)(ア), as quoted in the notice of
2025-02-06 (別添2). The 統括情報セキュリティ責任者 disposes of all ten before any work scope is published.
"""

from __future__ import annotations

from datetime import date
from typing import ClassVar, Literal, NamedTuple

import msgspec

from sekimori.governance.actors import SECURITY_OFFICER, Actor
from sekimori.governance.change import Change, Changing
from sekimori.governance.machine import START, Case, Machine, Transition
from sekimori.governance.refusals import Missing, refuse
from sekimori.governance.rules import Rules
from sekimori.governance.state import Aggregate, State, Value


class Risk(NamedTuple):
    """One of the ten: its key, its row, its words in short."""

    key: str
    row: str
    ja: str
    en: str


TEN_RISKS = (
    Risk(
        "provider_use",
        "DSN-A2-1",
        "提供者が保存情報を自由に利用・分析し得る",
        "the provider may use what is stored",
    ),
    Risk("endorsement", "DSN-A2-2", "政府利用が推奨と受け取られ得る", "use may look like an endorsement"),
    Risk(
        "foreign_law",
        "DSN-A2-3",
        "国外サーバの現地法・検閲・接収",
        "local law, censorship and seizure abroad",
    ),
    Risk("tampering", "DSN-A2-4", "改ざん時に提供者が責任を負わない", "no liability for tampering"),
    Risk("sudden_stop", "DSN-A2-5", "突然のサービス停止", "the service may stop suddenly"),
    Risk("lost_data", "DSN-A2-6", "消去・破壊された情報が復元されない", "lost data may not be restored"),
    Risk("incident_reports", "DSN-A2-7", "インシデント時に十分な報告がない", "insufficient incident reports"),
    Risk("terms_changes", "DSN-A2-8", "利用開始後の約款変更", "terms may change after the start"),
    Risk("deletion", "DSN-A2-9", "記録された情報の確実な消去が困難", "certain deletion is hard"),
    Risk("no_individual_support", "DSN-A2-10", "個別対応に応じない", "no individual support"),
)
RISK_KEYS = tuple(risk.key for risk in TEN_RISKS)

REGISTER = "organisation"


class Disposition(Value, frozen=True):
    """What was decided about a risk: accepted (受容) or reduced (低減), by which measure, by whom."""

    risk: str
    disposition: Literal["ACCEPTED", "REDUCED"]
    measure: str
    owner: str
    on: date


class RiskRegister(Aggregate, frozen=True, kw_only=True):
    """The organisation's register of the ten risks; there is one."""

    noun: ClassVar[str] = "risk_register"

    id: str = REGISTER
    dispositions: tuple[Disposition, ...] = ()

    @property
    def open(self) -> tuple[str, ...]:
        """List the risks that nobody has disposed of."""
        told = {each.risk for each in self.dispositions if each.measure.strip() and each.owner.strip()}
        return tuple(key for key in RISK_KEYS if key not in told)


class DisposeRisks(msgspec.Struct, frozen=True):
    """Decide about some of the ten risks, replacing what was decided before."""

    dispositions: tuple[Disposition, ...]


MACHINE = Machine(
    RiskRegister.noun,
    [
        Transition(START, "dispose", "KEPT", (), (SECURITY_OFFICER,)),
        Transition("KEPT", "dispose", "KEPT", (), (SECURITY_OFFICER,)),
    ],
    {},
)


def dispose_risks(state: State, command: DisposeRisks, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Keep dispositions; unknown risks and empty measures are refused."""
    before = state.find(RiskRegister, REGISTER) or RiskRegister(tenant=state.tenant, status=START)
    status = MACHINE.move("dispose", Case(state, before, command, actor, at_us, rules))
    missing = [
        Missing(
            each.risk, "リスク・措置・担当者を記載してください。", "name a known risk, a measure and an owner"
        )
        for each in command.dispositions
        if each.risk not in RISK_KEYS or not each.measure.strip() or not each.owner.strip()
    ]
    if missing:
        raise refuse("incomplete", missing=missing)
    kept = {each.risk: each for each in (*before.dispositions, *command.dispositions)}
    changing = Changing(state, actor, at_us)
    changing.edit("dispose", before, status=status, dispositions=tuple(kept.values()))
    return changing.done()
