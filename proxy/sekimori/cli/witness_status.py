"""What ``ledger status`` says of witnesses: who cosigned the newest checkpoint and when, and what closes when.

Witnesses cosign the super-log alone; what it tells of the trees covers them. Of a log that was given up it says
which one goes on. Reads files, and asks nobody: what witnesses remember is ``verify --witnesses``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sekimori.errors import IntegrityError, SekimoriError
from sekimori.ledger.outside.witnessed import NAME, age_of
from sekimori.ledger.tlog.checkpoint import parse_checkpoint
from sekimori.ledger.tlog.keys import PublicKey
from sekimori.ledger.tlog.note import parse_note, parse_vkey
from sekimori.store.exporting.anchoring import WORDS, said_of_trees, supers

if TYPE_CHECKING:
    from sekimori.cli.config_ledger import Ledger
    from sekimori.cli.places import Places
    from sekimori.store.exporting.logs import Log
    from sekimori.store.verifying.memories import Outside

_LOOKED_AT = 1 << 16
"""Leaves of each super-log that are read back at most: a tree that it has not spoken of since is left open."""


@dataclass(frozen=True, slots=True)
class Cosigner:
    """A configured witness: when it cosigned the newest checkpoint, by its own clock; None where it did not."""

    witness: str
    cosigned_s: int | None


@dataclass(frozen=True, slots=True)
class Told:
    """How far the super-log says that a tree got, and when it said so."""

    size: int
    time_us: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How the newest super-log stands with its witnesses.

    ``unwitnessed_s`` is for how long no checkpoint had as many as are ``needed``, None where nothing says that any
    ever had; from ``limit_s`` on the gate is closed. With no witness configured nothing closes.
    """

    log: str
    cosigners: tuple[Cosigner, ...]
    needed: int
    unwitnessed_s: int | None
    limit_s: int

    @property
    def state(self) -> str:
        """Say it in a word."""
        if not self.cosigners:
            return "none configured"
        cosigned = sum(one.cosigned_s is not None for one in self.cosigners)
        return "witnessed" if cosigned >= self.needed else "unwitnessed"

    @property
    def gate(self) -> str:
        """Say whether the gate lets AI traffic pass, as far as witnesses go."""
        late = self.unwitnessed_s is None or self.unwitnessed_s > self.limit_s
        return "closed" if self.cosigners and late else "open"


@dataclass(frozen=True, slots=True)
class Said:
    """What the super-logs say: how far each tree got, and which log goes on for one that was given up."""

    told: Mapping[str, Told]
    goes_on_as: Mapping[str, str]


def standing(places: Places, ledger: Ledger, outside: Outside, now: float) -> Standing | None:
    """Read how the newest super-log stands; None before it has published anything."""
    found = _readable(outside)
    if not found:
        return None
    signed = {one.verifier.vkey: one.time for one in found[0].opened.witnesses}
    cosigners = (Cosigner(one.name, signed.get(parse_vkey(one.vkey).vkey)) for one in ledger.witnesses)
    age = age_of(places.ledger / NAME, _archivist(places), now) if ledger.witnesses else 0.0
    return Standing(
        found[0].name,
        tuple(cosigners),
        ledger.needed,
        None if math.isinf(age) else max(0, int(age)),
        int(ledger.unwitnessed_limit) if ledger.witnesses else 0,
    )


def said(outside: Outside, wanted: Sequence[str], given_up: Sequence[str]) -> Said:
    """Read what the super-logs say of these trees, the newest word first, until each was spoken of."""
    told: dict[str, Told] = {}
    goes_on: dict[str, str] = {}
    for over in _readable(outside):
        for count, (_, fields) in enumerate(said_of_trees(over, over.size)):
            if (told.keys() >= set(wanted) and goes_on.keys() >= set(given_up)) or count >= _LOOKED_AT:
                break
            of, time_us = str(fields.get("of")), fields.get("t")
            if fields["k"] in WORDS and isinstance(time_us, int):
                told.setdefault(of, Told(_size(str(fields["note"])), time_us))
            elif fields["k"] == "abandon":
                goes_on.setdefault(of, str(fields["next"]))
    return Said(told, goes_on)


def sentences(standing: Standing | None, forked: Mapping[str, str], now: float) -> Iterator[tuple[str, str]]:
    """Say it in Japanese and in English."""
    for log, following in forked.items():
        yield _FORKED.said(log=log, following=following)
    if standing is None:
        return
    if not standing.cosigners:
        yield _NONE.said(log=standing.log)
        return
    for one in standing.cosigners:
        text = _LACKING if one.cosigned_s is None else _COSIGNED
        age = _span(now - (one.cosigned_s or 0))
        yield text.said(log=standing.log, witness=one.witness, age=age)
    text = _CLOSED if standing.gate == "closed" else _WHOLE if standing.state == "witnessed" else _CLOSING
    since = standing.unwitnessed_s or 0
    yield text.said(
        many=f"{standing.needed}/{len(standing.cosigners)}",
        limit=_span(standing.limit_s),
        since=_span(since),
        left=_span(standing.limit_s - since),
    )


@dataclass(frozen=True, slots=True)
class _Text:
    """A sentence in both languages."""

    ja: str
    en: str

    def said(self, **words: str) -> tuple[str, str]:
        """Fill it in."""
        return self.ja.format(**words), self.en.format(**words)


_FORKED = _Text(
    "{log} は放棄されました。{following} が引き継いでいます。",
    "{log} was given up; {following} goes on.",
)
_NONE = _Text(
    "{log}：証人が設定されていません。チェックポイントに証人の連署はなく、通信は止まりません"
    "（gov プロファイルでは起動しません）。",
    "{log}: no witness is configured. Checkpoints have no cosignature, and nothing closes"
    " (in the profile gov nothing starts).",
)
_COSIGNED = _Text(
    "{log}：証人 {witness} は最新のチェックポイントに {age} 前に連署しました。",
    "{log}: witness {witness} cosigned the newest checkpoint {age} ago.",
)
_LACKING = _Text(
    "{log}：最新のチェックポイントに証人 {witness} の連署がありません。",
    "{log}: witness {witness} has not cosigned the newest checkpoint.",
)
_WHOLE = _Text(
    "必要な連署（{many}）がそろっています。{limit} のあいだ欠けると、ゲートは AI への通信を拒否します。",
    "The cosignatures needed ({many}) are there. Were they lacking for {limit}, the gate would refuse AI traffic.",
)
_CLOSING = _Text(
    "必要な連署（{many}）が {since} 前から欠けています。あと {left} でゲートは AI への通信を拒否します"
    "（DENY_AUDIT_UNAVAILABLE）。",
    "The cosignatures needed ({many}) have been lacking for {since}; in {left} the gate refuses AI traffic"
    " (DENY_AUDIT_UNAVAILABLE).",
)
_CLOSED = _Text(
    "必要な連署（{many}）が上限の {limit} を超えて欠けています。ゲートは AI への通信を拒否しています"
    "（DENY_AUDIT_UNAVAILABLE）。連署がそろえば自動で再開します。",
    "The cosignatures needed ({many}) have been lacking for longer than the limit of {limit}: the gate refuses AI"
    " traffic (DENY_AUDIT_UNAVAILABLE), and goes on by itself with the first checkpoint that has them.",
)


def _span(seconds: float) -> str:
    """Write a span of time in its two largest units."""
    left, parts = max(0, int(seconds)), []
    for unit, many in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, many)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def _readable(outside: Outside) -> list[Log]:
    """Return the super-logs, the newest first; none where one can't be read: its row says why."""
    try:
        return supers(outside)
    except SekimoriError:
        return []


def _size(note: str) -> int:
    try:
        return parse_checkpoint(parse_note(note.encode()).text).size
    except IntegrityError:
        return 0


def _archivist(places: Places) -> PublicKey:
    from sekimori.ledger.tlog.keys import KeySigner
    from sekimori.vault.keys import KeyRing

    return PublicKey(KeySigner(KeyRing.load_archive(places.keys).signing_key).public)
