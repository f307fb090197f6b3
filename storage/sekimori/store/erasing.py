"""Erasures: what would go, what is kept and why, and the one transaction in which it goes.

A person, everything before a month, or single records. What is erased loses its keys in a rotation
(``vault.rotation``), its text, its place in every search and every readable column that says more than that
it was there; its entries, leaves and proofs stay byte for byte. A conversation is sent again with every turn:
whoever erases one record takes its words from the later ones that repeat them as well, so these go with
it, or the erasure is refused with their list. Those that merely leaned on it are written anew and say so in
a ``reencrypt`` event. What a legal hold keeps stays, and so does all that it needs to be read.

Everything is looked at again under the lock that holds off whoever stores: what was shown before may have
grown. Here nobody is asked whether they may; that, and the spool, are for the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine

from sekimori.errors import StateError, UnknownError, UsageError
from sekimori.ledger.envelope import Value
from sekimori.store import events
from sekimori.store.engine import reading
from sekimori.store.events import Event, EventRepo
from sekimori.store.holding import Holding, StoreKeys
from sekimori.store.rebasing import rebase
from sekimori.store.rotating import rotation, settle
from sekimori.store.surveying import Count, Preview, Survey, Wanted
from sekimori.store.taking import Gone, alone, take
from sekimori.vault.rotation import Shredded

BASES: Mapping[str, str] = {
    "appi-22": "個人情報保護法 第22条: 利用する必要がなくなった個人データの消去",
    "appi-35": "個人情報保護法 第35条: 本人の請求による利用停止等",
    "appi-98": "個人情報保護法 第98条: 行政機関の長等に対する利用停止請求",
    "consent": "同意の撤回",
    "court": "裁判所の命令",
    "mistake": "誤って記録されたもの",
    "retention": "保存期間の満了",
    "restored": "復元したデータベースからの再消去",
    "other": "その他",
}
"""What a leaf may say of the legal basis: a word of this list, never what somebody wrote."""

CODES = tuple(code for code in BASES if code != "restored")
"""What a person may give as the basis; the rest is said by the program alone."""


@dataclass(frozen=True, slots=True)
class Authority:
    """On which basis, who approved and who carries it out; ``basis`` may begin with a word of ``BASES``."""

    basis: str
    approver: str
    by: str

    @property
    def code(self) -> str:
        """Return the word that a leaf gives for the basis."""
        return self._word if self._word in BASES else "other"

    @property
    def named(self) -> bool:
        """Tell whether the basis begins with a code that a person may give."""
        return self._word in CODES

    @property
    def _word(self) -> str:
        return self.basis.partition(":")[0].strip().casefold()


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased, and under which event the ledger says so."""

    event: str
    counts: tuple[Count, ...]
    records: int
    rebased: tuple[str, ...]
    shredded: Shredded


class Eraser:
    """Shows and carries out erasures in one store; ``spool`` is asked what of them it still holds."""

    def __init__(
        self,
        engine: Engine,
        keys: StoreKeys,
        *,
        clock: Callable[[], int],
        new_id: Callable[[], str],
        spool: Path | None = None,
    ) -> None:
        self._engine = engine
        self._keys = keys
        self._clock = clock
        self._new_id = new_id
        self._spool = spool

    def preview(self, wanted: Wanted) -> Preview:
        """Say what an erasure would do; changes nothing."""
        with reading(self._engine) as connection:
            turning = rotation(connection, self._keys)
            return Survey(connection, Holding(connection, self._keys), turning, wanted).preview(self._spool)

    def carry_out(self, wanted: Wanted, authority: Authority) -> Erased:
        """Erase; raises UsageError where nothing would go, StateError while the spool holds what would.

        An erasure that died before the old key was destroyed is finished first: here it would be nothing.
        """
        settle(self._engine, self._keys)
        with alone(self._engine) as connection:
            turning = rotation(connection, self._keys)
            survey = Survey(connection, Holding(connection, self._keys), turning, wanted)
            shown = survey.preview(self._spool)
            if shown.is_nothing:
                kind = UnknownError if shown.unknown and not shown.held_records else UsageError
                raise kind("Nothing would be erased.", hint=_why_nothing(shown))
            if shown.spool:
                raise StateError(
                    f"The spool still holds {sum(shown.spool.values())} entries of what would be erased, in"
                    f" {', '.join(sorted(shown.spool))}.",
                    hint="It gives them up once a checkpoint covers them and their segment is full or closed.",
                )
            id_ = self._new_id()
            listed = wanted.before is None
            gone = Gone.of(connection, turning.keys, survey.plan, listed=listed)
            said = gone.said(authority.code) | _months(wanted)
            self._rebase(connection, survey, id_)
            take(connection, gone.rids)
            event = Event(
                said=said,
                basis=authority.basis,
                approver=authority.approver,
                by=authority.by,
                data_keys=gone.data_keys,
                records=gone.records,
            )
            EventRepo(connection, self._keys.cipher).add(id_, events.ERASE, self._clock(), event)
            shredded = turning.shred(survey.plan)
        return Erased(id_, shown.counts, gone.count, shown.rebased, shredded)

    def _rebase(self, connection: Connection, survey: Survey, id_: str) -> None:
        repo = EventRepo(connection, self._keys.cipher)
        now_us = self._clock()
        for number, moved in enumerate(rebase(survey.holding, survey.leaning, survey.singles), start=1):
            said = {"because": id_} | moved
            repo.add(f"{id_}-{number}", events.REENCRYPT, now_us, Event(said=said))


def _months(wanted: Wanted) -> dict[str, Value]:
    """Return what a leaf says of an erasure by month; of one that is about a person, nothing."""
    if wanted.before is None or wanted.subject is not None:
        return {}
    said: dict[str, Value] = {"before": wanted.before}
    return said | ({"classes": list[Value](sorted(wanted.classes))} if wanted.classes else {})


def _why_nothing(shown: Preview) -> str:
    if shown.held or shown.held_records:
        return "A legal hold keeps all of it: sekimori hold list."
    if shown.unknown:
        return f"These records are unknown or were erased already: {', '.join(shown.unknown)}."
    return "Nothing of that person, month or class is stored."
