"""Decisions taken elsewhere: the applied files, each version kept, and the snapshots compiled from them.

Versions count through all files, so that one number says which state of the policy is meant. What
a file may say is for ``sekimori.policy``; here it is text with a hash. It names people and purposes, and so
does the file's own name and whoever applied it: all of that is sealed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from sqlalchemy import func
from sqlmodel import Session, col, select

from sekimori.errors import IntegrityError, UsageError
from sekimori.store.bulk import Row
from sekimori.store.tables import PolicyDocumentRow, PolicyVersionRow
from sekimori.vault.names import NameSeal


@dataclass(frozen=True, slots=True)
class AppliedFile:
    """One version of one file; ``withdrawn`` marks the version that took it back.

    ``signed_by`` names the approval authorities whose signatures were checked when it was applied, and
    ``signatures`` holds those, as they were given.
    """

    version: int
    file: str
    text: str
    sha256: str
    applied_us: int
    applied_by: str
    withdrawn: bool
    signed_by: tuple[str, ...] = ()
    signatures: tuple[bytes, ...] = ()


class PolicyRepo:
    """The only code that reads or writes ``policy_document`` and ``policy_version``.

    The caller owns the session, and so decides what commits together.
    """

    def __init__(self, session: Session, names: NameSeal) -> None:
        self._session = session
        self._names = names

    def apply(
        self,
        file: str,
        text: str,
        *,
        by: str,
        now_us: int,
        signed_by: tuple[str, ...] = (),
        signatures: tuple[bytes, ...] = (),
    ) -> AppliedFile:
        """Add a version of ``file``; the same text, signed by the same, adds none and returns what is there."""
        latest = self._latest(file)
        same = latest is not None and not latest.withdrawn and latest.text == text
        if latest is not None and same and latest.signed_by == signed_by:
            return latest
        return self._add(
            file, text, by=by, now_us=now_us, withdrawn=False, signed_by=signed_by, signatures=signatures
        )

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
        return [_whole(self._opened(row)) for row in self._session.exec(query)]

    def history(self) -> list[AppliedFile]:
        """Return every version of every file, oldest first."""
        query = select(PolicyDocumentRow).order_by(col(PolicyDocumentRow.version))
        return [self._opened(row) for row in self._session.exec(query)]

    def is_replayed(self, file: str, text: str) -> bool:
        """Tell whether signatures under ``text`` may be old: it was signed before, and is not what ``file`` says."""
        latest = self._latest(file)
        if latest is not None and not latest.withdrawn and latest.text == text:
            return False
        # One at a time: each may be as large as a policy gets.
        said = select(PolicyDocumentRow.version).where(col(PolicyDocumentRow.withdrawn).is_(False))
        for version in list(self._session.exec(said)):
            row = self._session.get_one(PolicyDocumentRow, version)
            before = self._opened(row)
            self._session.expunge(row)
            if before.signed_by and before.text == text:
                return True
        return False

    def latest_version(self) -> int:
        """Return the number of the newest version, 0 when nothing was ever applied."""
        return self._session.exec(select(func.max(col(PolicyDocumentRow.version)))).one() or 0

    def keep_snapshot(self, sha256: str, snapshot: bytes) -> bool:
        """Keep a compiled snapshot for as long as records may name it; tell whether it is a new one."""
        if self._session.get(PolicyVersionRow, sha256) is not None:
            return False
        self._session.add(PolicyVersionRow(**snapshot_row(sha256, snapshot, self._names)))
        self._session.flush()
        return True

    def snapshot(self, sha256: str) -> bytes | None:
        """Return the bytes of a compiled snapshot, None for one that was never published."""
        row = self._session.get(PolicyVersionRow, sha256)
        return None if row is None else open_snapshot(row.sha256, row.sealed, self._names)

    def _latest(self, file: str) -> AppliedFile | None:
        token = self._names.token("policy_document", file)
        query = select(PolicyDocumentRow).where(col(PolicyDocumentRow.file) == token)
        row = self._session.exec(query.order_by(col(PolicyDocumentRow.version).desc()).limit(1)).first()
        return None if row is None else self._opened(row)

    def _add(
        self,
        file: str,
        text: str,
        *,
        by: str,
        now_us: int,
        withdrawn: bool,
        signed_by: tuple[str, ...] = (),
        signatures: tuple[bytes, ...] = (),
    ) -> AppliedFile:
        applied = AppliedFile(
            version=self.latest_version() + 1,
            file=file,
            text=text,
            sha256=_hashed(text),
            applied_us=now_us,
            applied_by=by,
            withdrawn=withdrawn,
            signed_by=signed_by,
            signatures=signatures,
        )
        self._session.add(PolicyDocumentRow(**document_row(applied, self._names)))
        self._session.flush()
        return applied

    def _opened(self, row: PolicyDocumentRow) -> AppliedFile:
        place = ("policy_document", row.version, row.file, int(row.withdrawn))
        try:
            return msgspec.msgpack.decode(self._names.open(row.sealed, *place), type=AppliedFile)
        except IntegrityError as error:
            raise _edited(row.version) from error


def apply_files(
    session: Session, names: NameSeal, files: Mapping[str, str], *, by: str, now_us: int
) -> list[AppliedFile]:
    """Add a version of each file; compile what ``current`` says before the session commits."""
    repo = PolicyRepo(session, names)
    return [repo.apply(file, text, by=by, now_us=now_us) for file, text in files.items()]


def document_row(applied: AppliedFile, names: NameSeal) -> Row:
    """Return the row that keeps one version of a file."""
    token = names.token("policy_document", applied.file)
    place = ("policy_document", applied.version, token, int(applied.withdrawn))
    return {
        "version": applied.version,
        "file": token,
        "withdrawn": applied.withdrawn,
        "sealed": names.seal(msgspec.msgpack.encode(applied), *place),
    }


def snapshot_row(sha256: str, snapshot: bytes, names: NameSeal) -> Row:
    """Return the row that keeps a compiled snapshot under its hash."""
    return {"sha256": sha256, "sealed": names.seal(snapshot, "policy_version", sha256)}


def open_snapshot(sha256: str, sealed: bytes, names: NameSeal) -> bytes:
    """Return the snapshot of that hash; raises IntegrityError if this is not it."""
    snapshot = names.open(sealed, "policy_version", sha256)
    if hashlib.sha256(snapshot).hexdigest() != sha256:
        raise IntegrityError(f"What is kept as policy {sha256} is another.")
    return snapshot


def _whole(applied: AppliedFile) -> AppliedFile:
    # The seal vouches for what was sealed; an older release kept text and hash without one.
    if _hashed(applied.text) != applied.sha256:
        raise _edited(applied.version)
    return applied


def _edited(version: int) -> IntegrityError:
    return IntegrityError(
        f"Version {version} of the applied files is not what was applied.",
        hint="Apply the file again, and find out who edited the database.",
    )


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
