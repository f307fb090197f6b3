"""Apply a file beside whatever runs: read, check who signed it, compare, record, tell the register."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sekimori.catalogue.catalogue import Catalogue
from sekimori.cli.compiling import compiler
from sekimori.cli.config import Config
from sekimori.cli.in_force import serves
from sekimori.cli.opened import new_id, now_us, policy_names, store, store_keys, store_session
from sekimori.cli.places import Places
from sekimori.cli.registering import grant_register, rules_of
from sekimori.cli.use_settings import use_of
from sekimori.errors import Fault, PolicyFileError, UsageError
from sekimori.governance.authority import ApprovalAuthority
from sekimori.governance.owned import check_owned, own_services
from sekimori.governance.refusals import refuse
from sekimori.governance.rules import Rules
from sekimori.governance.signatures import Signature, read_signature, vouched
from sekimori.governance.state import State
from sekimori.policy.applied import Document, Key
from sekimori.policy.model import Grant, Service
from sekimori.policy.people import canonical_name
from sekimori.store.compiling import Compiler
from sekimori.store.engine import session
from sekimori.store.governing import Governing, state_on
from sekimori.store.policies import AppliedFile, PolicyRepo

if TYPE_CHECKING:
    from sqlalchemy import Engine

_LARGEST = 256 * 2**20
_LARGEST_SIGNATURE = 16_384


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
    signed_by: tuple[str, ...] = ()

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


def apply_file(
    places: Places, config: Config, file: Path, *, by: str, signatures: Sequence[Path] = ()
) -> Applied:
    """Record a new version of ``file``, or nothing; raises PolicyFileError with every fault.

    Raises ``Forbidden`` where the profile asks for signatures that are not there, or where the file says a
    service that is kept by hand.
    """
    text = read_text(file)
    given = tuple(read_signature_file(path) for path in signatures)
    catalogue = Catalogue.load()
    compile_all = compiler(config, catalogue)
    register = grant_register(places, config, catalogue)
    keys, now = store_keys(places), now_us()
    with store(places) as engine:
        with session(engine) as opened:
            repo = PolicyRepo(opened, policy_names(places))
            state = state_on(opened.connection(), keys)
            before = _merged(repo.current(), compile_all)
            granted = register.granted(opened.connection(), now)
            alone = _alone(repo.current(), file.name, text, compile_all, now)
            reached = _reached(alone, granted)
            signed_by = _signers(alone, text, given, state, rules_of(config)(now), now, reached)
            if signed_by and repo.is_replayed(file.name, text):
                raise refuse("replayed")
            applied = repo.apply(file.name, text, by=by, now_us=now, signed_by=signed_by, signatures=given)
            current = repo.current()
            # The whole must be sound: a fault here undoes the version.
            compile_all(current, now, granted)
            after = compile_all.document(current)
            check_owned(state, _owned(after), applied=file.name)
        _tell_register(places, config, engine, after)
    return Applied(
        file.name,
        applied.version,
        serves(places),
        **_difference(before, after, file.name),
        signed_by=applied.signed_by,
    )


def _tell_register(places: Places, config: Config, engine: Engine, after: Document) -> None:
    governing = Governing(
        engine,
        store_keys(places),
        clock=now_us,
        new_id=new_id,
        profile=config.profile,
        settings=use_of(config),
    )
    governing.carry_out(lambda state, at_us, rules: own_services(state, _owned(after), at_us, rules))


def _merged(files: Sequence[AppliedFile], compile_all: Compiler) -> Document:
    """Give what is applied now; nothing where that no longer compiles: only a new version can mend it."""
    try:
        return compile_all.document(files)
    except PolicyFileError:
        return Document()


def _alone(files: Sequence[AppliedFile], file: str, text: str, compile_all: Compiler, now: int) -> Document:
    """Give the entries of one file beside the others, to see who may sign for them."""
    others = [each for each in files if each.file != file]
    version = max((each.version for each in others), default=0) + 1
    unchecked = ("",) * compile_all.signatures_needed
    candidate = AppliedFile(version, file, text, "", now, "", withdrawn=False, signed_by=unchecked)
    document = compile_all.document([*others, candidate])

    def touches(name: str, grant: Grant) -> bool:
        entries = (("grant", name), ("service", grant.service), *(("group", each) for each in grant.groups))
        return any(document.file_of(*entry) == file for entry in entries if entry in document.files)

    grants = {name: one for name, one in document.grants.items() if touches(name, one)}
    return replace(document, grants=grants, file=file)


def _reached(document: Document, granted: Document | None) -> frozenset[str]:
    """Name the services of the register's grants that use a group of the file: whoever signs it lets in there."""
    own = {
        canonical_name(name) for name in document.groups if document.file_of("group", name) == document.file
    }
    used = granted.grants.values() if granted is not None and own else ()
    return frozenset(one.service for one in used if not own.isdisjoint(map(canonical_name, one.groups)))


def _signers(
    document: Document,
    text: str,
    given: Sequence[bytes],
    state: State,
    rules: Rules,
    now: int,
    reached: Collection[str],
) -> tuple[str, ...]:
    """Name the authorities that vouch for a file; raises ``Forbidden`` where the profile asks for more."""
    authorities = list(state.all(ApprovalAuthority))
    found: list[Signature] = []
    for data in given:
        try:
            found += read_signature(data, authorities)
        except ValueError as error:
            raise UsageError(f"A signature cannot be read: {error}.") from error
    vouching = vouched(document, text.encode(), found, authorities, rules, now, reached=reached)
    if given and not vouching:
        raise UsageError(
            "No signature is one of a registered approval authority for this file.",
            hint="Sign the file as it is, with a key that `sekimori govern list approval_authority` names.",
        )
    return tuple(each.id for each in vouching)


def _owned(document: Document) -> dict[str, tuple[str, Service]]:
    return {id_: (document.file_of("service", id_), each) for id_, each in document.services.items()}


def read_signature_file(path: Path) -> bytes:
    """Read a detached signature."""
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_SIGNATURE + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}).", hint="Name another file.") from error
    if len(data) > _LARGEST_SIGNATURE:
        raise UsageError(f"{path} is too long for a signature.")
    return data


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
    compile_all = compiler(config, Catalogue.load())
    unchecked = ("",) * compile_all.signatures_needed
    candidate = AppliedFile(version, file.name, text, "", now, "", withdrawn=False, signed_by=unchecked)
    compile_all([*others, candidate], now)


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
