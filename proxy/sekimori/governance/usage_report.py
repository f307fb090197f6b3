"""The monthly 利用状況報告: every AI service that was seen, by whom, how much, refused or not [MOU-0-1].

Whoever counts hands in the lines and, counted again from the log, the totals; a report whose lines do not add
up to them is not written.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from sekimori.governance import form_kinds as kind
from sekimori.governance.calendar import jst_date
from sekimori.governance.paper import Grid, Line, Paper
from sekimori.governance.refusals import Missing, refuse
from sekimori.governance.state import Value, plain

KIND = "sekimori.usage-report/1"
TITLE = "生成AIサービス利用状況報告"
# What adds up over services and departments. People do not: one person uses several services.
SUMS = {
    "requests": "要求",
    "refused": "拒否",
    "bytes_sent": "送信バイト",
    "bytes_received": "受信バイト",
    "feedback_due": "要回答",
    "feedback_given": "回答",
}
_WHO, _COUNT, _BYTES, _DAY = 26, 10, 17, 17
_HEADS = ("サービス", "登録", "部署", "利用者", *SUMS.values(), "回答率", "初回", "最終")
_WIDTHS = (_WHO, 8, 20, _COUNT, _COUNT, _COUNT, _BYTES, _BYTES, _COUNT, _COUNT, _COUNT, _DAY, _DAY)
_NUMBERS = tuple(range(3, 11))


class Totals(Value, frozen=True):
    """What was counted."""

    requests: int = 0
    refused: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    feedback_due: int = 0
    feedback_given: int = 0


class UsageLine(Totals, frozen=True, kw_only=True):
    """One service in one department; ``registered`` is whether the register knows it."""

    service: str
    department: str
    registered: bool
    users: int
    first_seen_us: int
    last_seen_us: int


class UsageReport(Value, frozen=True):
    """A month; ``recount`` are the totals counted again from the log, ``users`` the people behind them all."""

    tenant: str
    organisation: str
    month: date
    users: int
    lines: tuple[UsageLine, ...]
    recount: Totals


def faults(report: UsageReport) -> Iterator[Missing]:
    """Yield each total that the lines do not add up to, and each line outside the month."""
    for name, ja in SUMS.items():
        told, counted = sum(getattr(line, name) for line in report.lines), getattr(report.recount, name)
        if told != counted:
            why = f"{ja}の合計{told}が、ログの再集計{counted}と一致しません。"
            yield Missing(f"recount.{name}", why, f"lines add up to {told}, the log to {counted}")
    for place, line in enumerate(report.lines):
        days = (jst_date(line.first_seen_us), jst_date(line.last_seen_us))
        if line.first_seen_us > line.last_seen_us or any(_month(day) != _month(report.month) for day in days):
            yield Missing(f"lines[{place}]", "対象の月の外の日時があります。", "was seen outside the month")


def usage_paper(report: UsageReport) -> Paper:
    """Lay a report out; raises ``Forbidden`` if it does not add up."""
    found = tuple(faults(report))
    if found:
        raise refuse("incomplete", missing=found)
    ordered = sorted(report.lines, key=lambda line: (line.service, line.department))
    grid = Grid(
        name="利用状況",
        heads=_HEADS,
        lines=(*(Line(_cells(line)) for line in ordered), Line(_sum(report))),
        widths=_WIDTHS,
        numbers=_NUMBERS,
    )
    services = {line.service for line in report.lines}
    unknown = {line.service for line in report.lines if not line.registered}
    return Paper(
        kind=KIND,
        title=TITLE,
        lines=(
            f"{report.organisation}　{report.month.year}年{report.month.month}月分",
            f"利用者 {report.users}名、サービス {len(services)}件（うち未登録 {len(unknown)}件）",
            "合計はログの再集計と一致しています。",
        ),
        grids=(grid,),
        content=plain(report),
    )


def _month(day: date) -> tuple[int, int]:
    return day.year, day.month


def _cells(line: UsageLine) -> tuple[str, ...]:
    days = (kind.DATE.show(jst_date(us)) for us in (line.first_seen_us, line.last_seen_us))
    known = "登録" if line.registered else "未登録"
    return (line.service, known, line.department, f"{line.users:,}", *_counts(line), *days)


def _sum(report: UsageReport) -> tuple[str, ...]:
    return ("合計", "", "", f"{report.users:,}", *_counts(report.recount), "", "")


def _counts(of: Totals) -> tuple[str, ...]:
    rate = f"{100 * of.feedback_given / of.feedback_due:.1f}%" if of.feedback_due else "－"
    return (*(f"{getattr(of, name):,}" for name in SUMS), rate)
