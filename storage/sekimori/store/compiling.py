"""Applied files become one snapshot: read each with what the others say, merge in order, compile.

What a profile asks for and what the catalogue knows comes from the composition root.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone

from sekimori.errors import Fault, PolicyFileError
from sekimori.policy.applied import Document, merge
from sekimori.policy.document import read_document
from sekimori.policy.model import Profile, Rules
from sekimori.policy.snapshot import Snapshot, compile_snapshot
from sekimori.store.policies import AppliedFile

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

    @property
    def key(self) -> str:
        """A text that changes whenever the same files would compile to something else."""
        switches = (self.profile, self.catalogue, str(self.advice_required), str(self.consent_required))
        return hashlib.sha256("\0".join([*switches, *sorted(self.flagged_models)]).encode()).hexdigest()

    def __call__(self, files: Sequence[AppliedFile], now_us: int) -> Snapshot:
        """Compile, or raise PolicyFileError naming every fault."""
        return compile_snapshot(
            self.document(files),
            profile=self.profile,
            catalogue_flags=self.catalogue_flags,
            now_us=now_us,
            flagged_models=self.flagged_models,
            advice_required=self.advice_required,
            consent_required=self.consent_required,
        )

    def document(self, files: Sequence[AppliedFile]) -> Document:
        """Read and merge all files; a file may use what any other says, whichever came first."""
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

    def _read(self, applied: AppliedFile, known: Document) -> Document:
        return read_document(
            applied.text,
            file=applied.file,
            # A file that was good on its day does not go bad later because it is read again.
            today=_day(applied.applied_us),
            check_host=self.check_host,
            catalogue_flags=self.catalogue_flags,
            flagged_models=self.flagged_models,
            known=known,
            rules=Rules(
                profile=self.profile,
                advice_required=self.advice_required,
                consent_required=self.consent_required,
            ),
        )


def _merged(read: dict[int, Document]) -> Document:
    return merge(read[version] for version in sorted(read)).document


def _day(time_us: int) -> date:
    return (_EPOCH + timedelta(microseconds=time_us)).astimezone(_JST).date()
