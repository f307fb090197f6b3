"""What Sekimori raises, and who must act on each.

::

    SekimoriError                  one sentence, and what to do next
    ├── UsageError                 the person at the keyboard: change the input (exit 2)
    │   ├── ConfigError            the administrator: a key of the configuration file
    │   ├── UnknownError           whoever asked for a record or a hold that there is none of (exit 1)
    │   ├── OnceConflict           a program: an idempotency key that was another request's (``store.governing``)
    │   └── PolicyFileError        whoever wrote the apply file: file, line and field of each fault
    ├── Forbidden                  whoever commands: rules say no, with a code, in ja and en (``governance``)
    ├── StateError                 the operator: a port, a folder, a lock, a clock (exit 2)
    │   ├── VersionConflict        whoever commands: somebody else was first (``store.governing``)
    │   ├── KeyAccessError         the operator: a key file is missing, readable by others or damaged
    │   └── ClockError             the operator: the clock stepped back
    ├── RecordError                the gate: refuse, nothing may pass that cannot be recorded
    │   ├── SpoolFullError         the operator: the archivist is behind or the disk is full
    │   └── SpoolLostError         the operator: a spool file vanished or could not be synced
    ├── PolicyUnavailableError     the gate: refuse AI traffic until a good snapshot is there
    ├── WireError                  the far end sent what cannot be read; never leaves ``wire``
    └── IntegrityError             the auditor: stored evidence is altered, missing or extra

A verdict about a request is never an exception: it is a value of ``sekimori.policy``. What nobody expected
is logged with ``where``, never with its message: that may quote what somebody wrote.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path

_FRAMES = 6


def where(error: BaseException | None) -> str:
    """Tell what failed and where, without the message: it may hold what was on the wire."""
    if error is None:
        return "unknown"
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
    return f"{type(error).__name__} at {places}"


class SekimoriError(Exception):
    """Something a person has to act on: a sentence, and what to do next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message


class UsageError(SekimoriError):
    """The input or the command is wrong; whoever typed it must change it."""


class ConfigError(UsageError):
    """The configuration file or an environment variable cannot be used."""


class UnknownError(UsageError):
    """What was asked for by its name is not there: the answer is no, and nothing is wrong."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake in a file, where it stands and what to do about it."""

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        field = f"{self.field}: " if self.field else ""
        return f"{self.file}:{self.line}: {field}{self.message}"


class PolicyFileError(UsageError):
    """A policy file has faults; nothing of it was applied."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults


class StateError(SekimoriError):
    """The machine is not in a state to start or go on; the operator must repair it."""


class KeyAccessError(StateError):
    """A key is missing, damaged or readable by others."""


class ClockError(StateError):
    """The clock stepped back, so that times in the record would lie."""


class RecordError(SekimoriError):
    """An exchange cannot be recorded, so it must not take place."""


class SpoolFullError(RecordError):
    """The spool has reached its high-water mark or the disk is full."""


class SpoolLostError(RecordError):
    """A spool file vanished, or its sync failed; the lane is closed for good."""


class PolicyUnavailableError(SekimoriError):
    """There is no policy snapshot, or it is too old to be trusted."""


class WireError(SekimoriError):
    """Bytes from the far end cannot be read."""


class IntegrityError(SekimoriError):
    """Stored evidence is not what was written."""
