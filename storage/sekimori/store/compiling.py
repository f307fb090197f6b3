"""Applied files and the register become one snapshot: read, merge in order, join, compile.

What a profile asks for and what the catalogue knows comes from the composition root.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone

from sekimori.errors import Fault, PolicyFileError
from sekimori.policy.applied import Document, merge, with_catalogue
from sekimori.policy.checks import Problem
from sekimori.policy.document import read_document
from sekimori.policy.joining import join
from sekimori.policy.model import Profile, Rules
from sekimori.policy.snapshot import Snapshot, compile_snapshot
from sekimori.store.policies import AppliedFile

logger = logging.getLogger(__name__)

_NAMED = 10
_JST = timezone(timedelta(hours=9))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiler:
    """Everything but the files that a snapshot hangs on.

    ``catalogue`` names the version of the catalogue behind ``catalogue_flags`` and ``check_host``.
    """

    profile: Profile
    catalogue: str
    catalogue_flags: Callable[[str], Collection[str]]
    check_host: Callable[[str], str]
    flagged_models: Collection[str] = ()
    advice_required: bool = True
    consent_required: bool = True
    signatures_needed: int = 0

    @property
    def key(self) -> str:
        """A text that changes whenever the same files would compile to something else."""
        switches = (
            *(self.profile, self.catalogue, str(self.advice_required), str(self.consent_required)),
            str(self.signatures_needed),
        )
        return hashlib.sha256("\0".join([*switches, *sorted(self.flagged_models)]).encode()).hexdigest()

    @property
    def rules(self) -> Rules:
        """What the profile asks for."""
        return Rules(
            profile=self.profile,
            advice_required=self.advice_required,
            consent_required=self.consent_required,
        )

    def __call__(
        self, files: Sequence[AppliedFile], now_us: int, granted: Document | None = None
    ) -> Snapshot:
        """Compile, or raise PolicyFileError naming every fault; what is left out of ``granted`` is logged."""
        document, left = self.joined(files, granted)
        if left:
            # By id only: a log names no people.
            named = ", ".join(sorted({f"{problem.kind} {problem.id}" for problem in left})[:_NAMED])
            logger.warning("%d entries of the register are withheld: %s", len(left), named)
        return compile_snapshot(
            document,
            profile=self.profile,
            catalogue_flags=self.catalogue_flags,
            now_us=now_us,
            flagged_models=self.flagged_models,
            advice_required=self.advice_required,
            consent_required=self.consent_required,
        )

    def joined(
        self, files: Sequence[AppliedFile], granted: Document | None = None
    ) -> tuple[Document, tuple[Problem, ...]]:
        """Give files and register as one document, and what of the register was left out."""
        document = self.document(files)
        if granted is None or not (granted.services or granted.grants):
            return document, ()
        services = {
            name: with_catalogue(each, self.catalogue_flags, self.flagged_models)
            for name, each in document.services.items()
        }
        return join(dataclasses.replace(document, services=services), granted, self.rules)

    def document(self, files: Sequence[AppliedFile]) -> Document:
        """Read and merge all files; a file may use what any other says, whichever came first."""
        self._check_signed(files)
        read: dict[int, Document] = {}
        waiting = list(files)
        while waiting:
            known = _merged(read)
            faults: list[Fault] = []
            again: list[AppliedFile] = []
            for applied in waiting:
                try:
                    read[applied.version] = self._read(applied, known)
                except PolicyFileError as fault:
                    faults += fault.faults
                    again.append(applied)
            if len(again) == len(waiting):
                raise PolicyFileError(faults)
            waiting = again
        return _merged(read)

    def _check_signed(self, files: Sequence[AppliedFile]) -> None:
        """Refuse a file that was applied when fewer had to sign: a profile is no way around the signatures."""
        faults = [
            Fault(each.file, 0, "", f"{self.signatures_needed} authorities must have signed it")
            for each in files
            if len(each.signed_by) < self.signatures_needed
        ]
        if faults:
            raise PolicyFileError(faults)

    def _read(self, applied: AppliedFile, known: Document) -> Document:
        document = read_document(
            applied.text,
            file=applied.file,
            # A file that was good on its day does not go bad later because it is read again.
            today=_day(applied.applied_us),
            check_host=self.check_host,
            catalogue_flags=self.catalogue_flags,
            flagged_models=self.flagged_models,
            known=known,
            rules=self.rules,
        )
        return dataclasses.replace(document, unsigned=not applied.signed_by)


def _merged(read: dict[int, Document]) -> Document:
    return merge(read[version] for version in sorted(read)).document


def _day(time_us: int) -> date:
    return (_EPOCH + timedelta(microseconds=time_us)).astimezone(_JST).date()
