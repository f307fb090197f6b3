"""The 周知の確認状況 on paper: which notices are in force, and how many of each department read them [MOU-1-12]."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sekimori.governance import form_kinds as kind
from sekimori.governance.acknowledgement import Rate, rates
from sekimori.governance.calendar import jst_date
from sekimori.governance.notices import ALL, TOS, Notice
from sekimori.governance.paper import Grid, Line, Paper
from sekimori.governance.service import RegisteredService
from sekimori.governance.state import State, plain

KIND = "sekimori.notice-rates/1"
TITLE = "周知の確認状況"
_HEADS = ("周知", "表題", "対象", "版", "公表日", "SHA-256", "部署", "対象者", "確認済", "確認率")
_WIDTHS = (18, 30, 20, 6, 17, 36, 18, 10, 10, 10)
_NUMBERS = (7, 8)
_TARGETS = {ALL: "全サービス", TOS: "約款型サービス"}


def notice_paper(state: State, at_us: int, people: Collection[tuple[str, str]]) -> Paper:
    """Lay the rates out; ``people`` gives name and department of everybody who has to read."""
    found = list(_published(state, people))
    return Paper(
        kind=KIND,
        title=TITLE,
        lines=(f"{kind.DATE.show(jst_date(at_us))}現在", f"対象者 {len(people)}名"),
        grids=(
            Grid(
                name="確認状況",
                heads=_HEADS,
                lines=tuple(Line(_cells(state, notice, rate)) for notice, rate in found),
                widths=_WIDTHS,
                numbers=_NUMBERS,
            ),
        ),
        content={
            "tenant": state.tenant,
            "as_of": jst_date(at_us).isoformat(),
            "rates": [plain(rate) | {"sha256": _sha256(notice)} for notice, rate in found],
        },
    )


def _published(state: State, people: Collection[tuple[str, str]]) -> Iterator[tuple[Notice, Rate]]:
    for notice in sorted(state.all(Notice), key=lambda each: each.id):
        if notice.current is not None and notice.audience == "NOTICE":
            yield from ((notice, rate) for rate in rates(state, notice, people))


def _cells(state: State, notice: Notice, rate: Rate) -> tuple[str, ...]:
    service = state.find(RegisteredService, notice.service)
    target = service.facts.name if service else _TARGETS.get(notice.service, notice.service)
    return (
        notice.id,
        notice.current.title if notice.current else "",
        target,
        str(notice.number),
        kind.DATE.show(jst_date(notice.published_us)),
        _sha256(notice),
        rate.unit,
        f"{rate.people:,}",
        f"{rate.acknowledged:,}",
        f"{rate.percent}%",
    )


def _sha256(notice: Notice) -> str:
    return notice.current.sha256 if notice.current else ""
