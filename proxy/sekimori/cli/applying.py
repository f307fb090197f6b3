"""Apply a file beside whatever runs: read, compare, record."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from sekimori.catalogue.catalogue import Catalogue
from sekimori.cli.compiling import compiler
from sekimori.cli.config import Config
from sekimori.cli.in_force import serves
from sekimori.cli.opened import now_us, policy_names, store_session
from sekimori.cli.places import Places
from sekimori.errors import Fault, PolicyFileError, UsageError
from sekimori.policy.applied import Document, Key
from sekimori.store.policies import AppliedFile, PolicyRepo

_LARGEST = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Applied:
    """What applying a file did, entry by entry; ``serving`` tells whether somebody publishes it now."""

    file: str
    version: int
    serving: bool
    added: tuple[str, ...]
    changed: tuple[str, ...]
    withdrawn: tuple[str, ...]
    taken_over: tuple[str, ...]

    def changes(self) -> dict[str, tuple[str, ...]]:
        """Name what happened, in the words that are printed."""
        return {
            "added": self.added,
            "changed": self.changed,
            "withdrawn": self.withdrawn,
            "taken over": self.taken_over,
        }

    def plain(self) -> dict[str, object]:
        """Return the fields for a program."""
        return asdict(self)


def apply_file(places: Places, config: Config, file: Path, *, by: str) -> Applied:
    """Record a new version of ``file``, or nothing; raises PolicyFileError with every fault."""
    text = read_text(file)
    compile_all = compiler(config, Catalogue.load())
    now = now_us()
    with store_session(places) as session:
        repo = PolicyRepo(session, policy_names(places))
        before = compile_all.document(repo.current())
        applied = repo.apply(file.name, text, by=by, now_us=now)
        current = repo.current()
        compile_all(current, now)  # the whole must be sound: a fault here undoes the version
        after = compile_all.document(current)
    return Applied(file.name, applied.version, serves(places), **_difference(before, after, file.name))


def check_file(places: Places, config: Config, file: Path) -> None:
    """Raise PolicyFileError with every fault that applying ``file`` would meet."""
    text = read_text(file)
    others: list[AppliedFile] = []
    if places.format.is_file():
        with store_session(places) as session:
            others = [
                applied
                for applied in PolicyRepo(session, policy_names(places)).current()
                if applied.file != file.name
            ]
    now = now_us()
    version = max((applied.version for applied in others), default=0) + 1
    candidate = AppliedFile(version, file.name, text, "", now, "", withdrawn=False)
    compiler(config, Catalogue.load())([*others, candidate], now)


def read_text(file: Path) -> str:
    """Read a policy file as text."""
    try:
        if file.stat().st_size > _LARGEST:
            raise UsageError(f"{file} is larger than {_LARGEST} bytes.", hint="Split it into several files.")
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file} cannot be read ({error.strerror}).", hint="Name another file.") from error
    except UnicodeDecodeError as error:
        line = file.read_bytes()[: error.start].count(b"\n") + 1
        raise PolicyFileError([Fault(file.name, line, "", "is not UTF-8 text")]) from error


def _difference(before: Document, after: Document, file: str) -> dict[str, tuple[str, ...]]:
    old, new = set(before.keys()), set(after.keys())
    kept = sorted(old & new)
    moved = {key for key in kept if before.file_of(*key) != after.file_of(*key)}
    return {
        "added": _named(new - old),
        "changed": _named(key for key in kept if _entry(before, key) != _entry(after, key)),
        "withdrawn": _named(old - new),
        "taken_over": tuple(
            f"{' '.join(key)} from {before.file_of(*key)}"
            for key in sorted(moved)
            if after.file_of(*key) == file
        ),
    }


def _named(keys: Iterable[Key]) -> tuple[str, ...]:
    return tuple(" ".join(key) for key in sorted(keys))


def _entry(document: Document, key: Key) -> object:
    kind, name = key
    return {"service": document.services, "group": document.groups, "grant": document.grants}[kind][name]
