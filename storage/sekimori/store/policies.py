"""Decisions taken elsewhere: the applied files, each version kept, and the snapshots compiled from them.

Versions count through all files, so that one number says which state of the policy is meant. What
a file may say is for ``sekimori.policy``; here it is text with a hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func
from sqlmodel import Session, col, select

from sekimori.errors import IntegrityError, UsageError
from sekimori.store.tables import PolicyDocumentRow, PolicyVersionRow


@dataclass(frozen=True, slots=True)
class AppliedFile:
    """One version of one file; ``withdrawn`` marks the version that took it back."""

    version: int
    file: str
    text: str
    sha256: str
    applied_us: int
    applied_by: str
    withdrawn: bool


class PolicyRepo:
    """The only code that reads or writes ``policy_document`` and ``policy_version``.

    The caller owns the session, and so decides what commits together.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def apply(self, file: str, text: str, *, by: str, now_us: int) -> AppliedFile:
        """Add a version of ``file``; the same text again adds none and returns what is there."""
        latest = self._latest(file)
        if latest is not None and not latest.withdrawn and latest.text == text:
            return _value(latest)
        return self._add(file, text, by=by, now_us=now_us, withdrawn=False)

    def withdraw(self, file: str, *, by: str, now_us: int) -> AppliedFile:
        """Take a file back: what only it said is no longer policy."""
        latest = self._latest(file)
        if latest is None or latest.withdrawn:
            raise UsageError(f"There is no applied file {file}.", hint="Look which files are applied.")
        return self._add(file, "", by=by, now_us=now_us, withdrawn=True)

    def current(self) -> list[AppliedFile]:
        """Return the files that are in force, in the order in which they were applied."""
        newest = select(func.max(col(PolicyDocumentRow.version))).group_by(col(PolicyDocumentRow.file))
        query = (
            select(PolicyDocumentRow)
            .where(col(PolicyDocumentRow.version).in_(newest), col(PolicyDocumentRow.withdrawn).is_(False))
            .order_by(col(PolicyDocumentRow.version))
        )
        return [_whole(_value(row)) for row in self._session.exec(query)]

    def history(self) -> list[AppliedFile]:
        """Return every version of every file, oldest first."""
        query = select(PolicyDocumentRow).order_by(col(PolicyDocumentRow.version))
        return [_value(row) for row in self._session.exec(query)]

    def latest_version(self) -> int:
        """Return the number of the newest version, 0 when nothing was ever applied."""
        return self._session.exec(select(func.max(col(PolicyDocumentRow.version)))).one() or 0

    def keep_snapshot(self, sha256: str, snapshot: bytes) -> None:
        """Keep a compiled snapshot for as long as records may name it."""
        if self._session.get(PolicyVersionRow, sha256) is None:
            self._session.add(PolicyVersionRow(sha256=sha256, snapshot=snapshot))
            self._session.flush()

    def snapshot(self, sha256: str) -> bytes | None:
        """Return the bytes of a compiled snapshot, None for one that was never published."""
        row = self._session.get(PolicyVersionRow, sha256)
        return None if row is None else row.snapshot

    def _latest(self, file: str) -> PolicyDocumentRow | None:
        query = select(PolicyDocumentRow).where(col(PolicyDocumentRow.file) == file)
        return self._session.exec(query.order_by(col(PolicyDocumentRow.version).desc()).limit(1)).first()

    def _add(self, file: str, text: str, *, by: str, now_us: int, withdrawn: bool) -> AppliedFile:
        row = PolicyDocumentRow(
            version=self.latest_version() + 1,
            file=file,
            text=text,
            sha256=_hashed(text),
            applied_us=now_us,
            applied_by=by,
            withdrawn=withdrawn,
        )
        self._session.add(row)
        self._session.flush()
        return _value(row)


def apply_files(session: Session, files: Mapping[str, str], *, by: str, now_us: int) -> list[AppliedFile]:
    """Add a version of each file; compile what ``current`` says before the session commits."""
    repo = PolicyRepo(session)
    return [repo.apply(file, text, by=by, now_us=now_us) for file, text in files.items()]


def _value(row: PolicyDocumentRow) -> AppliedFile:
    return AppliedFile(
        version=row.version,
        file=row.file,
        text=row.text,
        sha256=row.sha256,
        applied_us=row.applied_us,
        applied_by=row.applied_by,
        withdrawn=row.withdrawn,
    )


def _whole(applied: AppliedFile) -> AppliedFile:
    if _hashed(applied.text) != applied.sha256:
        raise IntegrityError(
            f"Version {applied.version} of {applied.file} is not what was applied.",
            hint="Apply the file again, and find out who edited the database.",
        )
    return applied


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
