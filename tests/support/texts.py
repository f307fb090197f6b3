"""Stored texts in memory, really sealed, and conversations to fill them with."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sekimori.ledger.chunks import Deduper, Stored
from sekimori.vault.records import RecordCipher

WORDS_JA = [
    "会議",
    "議事録",
    "予算",
    "要約",
    "申請",
    "窓口",
    "住民",
    "担当",
    "確認",
    "説明",
    "資料",
    "修正",
    "案内",
    "手続",
    "期限",
    "変更",
    "対応",
    "検討",
    "結果",
    "方針",
    "課題",
    "改善",
    "計画",
    "報告",
    "承認",
    "契約",
    "調達",
    "仕様",
    "運用",
    "保守",
    "利用",
    "情報",
    "管理",
    "安全",
    "個人",
    "公開",
    "条例",
    "規則",
    "様式",
    "記入",
    "提出",
    "審査",
    "通知",
    "回答",
    "質問",
    "相談",
    "支援",
    "制度",
    "対象",
    "条件",
    "費用",
    "効果",
    "評価",
    "日程",
    "会場",
    "参加",
    "連絡",
    "協議",
    "調整",
    "分析",
    "統計",
    "推移",
    "増加",
    "減少",
    "原因",
    "背景",
    "目的",
    "概要",
    "詳細",
    "手順",
    "注意",
    "事項",
    "別紙",
    "参照",
    "根拠",
]
JOINS_JA = [
    "について",
    "を",
    "は",
    "に関する",
    "と",
    "のため、",
    "が必要です。",
    "してください。",
    "の",
    "により、",
    "です。",
    "ました。",
]
WORDS_EN = [
    "the",
    "budget",
    "committee",
    "reviewed",
    "each",
    "request",
    "carefully",
    "and",
    "decided",
    "that",
    "several",
    "items",
    "should",
    "be",
    "postponed",
    "until",
    "further",
    "evidence",
    "is",
    "available",
    "because",
    "current",
    "figures",
    "remain",
    "incomplete",
    "although",
    "most",
    "departments",
    "submitted",
    "their",
    "estimates",
    "early",
    "please",
    "summarise",
    "following",
    "minutes",
    "into",
    "three",
    "bullet",
    "points",
    "then",
    "translate",
    "result",
    "for",
    "citizens",
    "who",
    "function",
    "returns",
    "value",
    "when",
    "input",
    "matches",
    "pattern",
    "otherwise",
    "raises",
    "error",
    "import",
    "module",
    "class",
    "method",
    "test",
    "assert",
    "list",
    "dictionary",
    "string",
    "integer",
    "loop",
    "condition",
    "server",
    "client",
    "response",
    "header",
    "timeout",
    "retry",
    "database",
    "query",
    "index",
    "table",
]


def sentence_source(seed: int) -> Iterator[str]:
    """Yield words as people and models write them: a few often, many rarely, some never twice."""
    rng = random.Random(seed)
    while True:
        if rng.random() < 0.06:
            yield f" {rng.randrange(10**6)} "
        elif rng.random() < 0.55:
            yield WORDS_JA[min(int(rng.paretovariate(0.7)) - 1, len(WORDS_JA) - 1)] + rng.choice(JOINS_JA)
        elif rng.random() < 0.2:
            yield "".join(chr(rng.randrange(0x4E00, 0x6E00)) for _ in range(rng.randrange(1, 4)))
        else:
            yield rng.choice(WORDS_EN) + " "


def text(source: Iterator[str], characters: int) -> str:
    """Return a text of about that length."""
    said: list[str] = []
    length = 0
    while length < characters:
        said.append(next(source))
        length += len(said[-1])
    return "".join(said)


def conversation(
    turns: int, *, seed: int = 1, asked: int = 150, answered: int = 700
) -> Iterator[dict[str, Any]]:
    """Yield the request of each turn, as a chat client sends it: everything so far, and one more question."""
    source = sentence_source(seed)
    messages = [{"role": "system", "content": text(source, 400)}]
    for _ in range(turns):
        messages = [*messages, {"role": "user", "content": text(source, asked)}]
        yield {"model": "gpt-5", "messages": messages, "stream": True, "temperature": 0.2}
        messages = [*messages, {"role": "assistant", "content": text(source, answered)}]


def as_body(request: dict[str, Any]) -> bytes:
    """Return what a client in Python sends."""
    return json.dumps(request, ensure_ascii=False, separators=(",", ":")).encode()


class MemoryTexts:
    """Rows of texts, each sealed under its record's key, and what they take."""

    def __init__(self) -> None:
        self.keys: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}
        self.large_rows: dict[bytes, tuple[str, bytes]] = {}
        self.anchor_rows: dict[bytes, str] = {}
        self.link_rows: set[tuple[str, str]] = set()
        self.forged: dict[str, bytes] = {}
        self.address_keys: dict[str, bytes] = {}
        self.opened = 0

    def put(self, rid: str, stored: Stored) -> None:
        """Store what a deduper said, as one transaction does."""
        cipher = RecordCipher(self.keys.setdefault(rid, os.urandom(32)))
        self.manifests[rid] = cipher.seal(stored.manifest, rid.encode(), compress=False)
        for address, piece in stored.large.items():
            self.large_rows[address] = (rid, cipher.seal(piece, rid.encode() + address))
        for anchor in stored.anchors:
            self.anchor_rows.setdefault(anchor, rid)
        self.link_rows = {link for link in self.link_rows if link[1] != rid}
        self.link_rows |= {(target, rid) for target in stored.links}

    def erase(self, rid: str) -> None:
        """Destroy a record's key and rows."""
        for gone in (self.keys, self.manifests):
            del gone[rid]
        self.large_rows = {at: row for at, row in self.large_rows.items() if row[0] != rid}
        self.anchor_rows = {at: owner for at, owner in self.anchor_rows.items() if owner != rid}
        self.link_rows = {link for link in self.link_rows if rid not in link}

    def size(self) -> int:
        """Return the bytes of all columns."""
        return (
            sum(len(rid) + len(sealed) for rid, sealed in self.manifests.items())
            + sum(len(at) + len(rid) + len(sealed) for at, (rid, sealed) in self.large_rows.items())
            + sum(len(at) + len(rid) for at, rid in self.anchor_rows.items())
            + sum(len(target) + len(rid) for target, rid in self.link_rows)
        )

    def manifest(self, rid: str) -> bytes | None:
        self.opened += 1
        if rid in self.forged:
            return self.forged[rid]
        sealed = self.manifests.get(rid)
        return RecordCipher(self.keys[rid]).open(sealed, rid.encode()) if sealed else None

    def large(self, address: bytes) -> bytes | None:
        rid, sealed = self.large_rows.get(address, ("", b""))
        return RecordCipher(self.keys[rid]).open(sealed, rid.encode() + address) if rid else None

    def owners(self, addresses: Collection[bytes]) -> Mapping[bytes, str]:
        return {at: self.large_rows[at][0] for at in addresses if at in self.large_rows}

    def anchored(self, anchors: Collection[bytes]) -> Mapping[bytes, str]:
        return {at: self.anchor_rows[at] for at in anchors if at in self.anchor_rows}

    def linked(self, rid: str) -> Collection[str]:
        return [other for target, other in self.link_rows if target == rid]

    def address_key(self, rid: str) -> bytes | None:
        return self.address_keys.get(rid)


class Texts:
    """A deduper and its rows, for one data key."""

    def __init__(self, key: bytes = bytes(32), **settings: Any) -> None:
        self.rows = MemoryTexts()
        self.key = key
        self.settings = settings
        self.deduper = Deduper(self.rows, **settings)

    def store(self, rid: str, body: bytes) -> Stored:
        """Store a body, and make sure that a process which remembers nothing reads it back."""
        stored = self.deduper.store(rid, body, self.key)
        self.rows.address_keys[rid] = self.key
        self.rows.put(rid, stored)
        return stored

    def cold(self) -> Deduper:
        """Return a deduper that remembers nothing."""
        return Deduper(self.rows, **self.settings)
