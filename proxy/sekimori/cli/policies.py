"""Policies as an operator names them: the one in force, an earlier one by its hash, or one with a file more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlmodel import col, select

from sekimori.catalogue.catalogue import Catalogue
from sekimori.cli.applying import read_text
from sekimori.cli.compiling import compiler
from sekimori.cli.opened import now_us, people_names, policy_names, store, store_keys
from sekimori.cli.registering import grant_register, standing_register
from sekimori.errors import PolicyUnavailableError, UsageError
from sekimori.policy.facts import Facts
from sekimori.policy.people import People
from sekimori.policy.replaying import Recorded, Replayed, replay
from sekimori.policy.snapshot import Snapshot, load
from sekimori.store.decided import decided
from sekimori.store.engine import session
from sekimori.store.people import PersonRepo
from sekimori.store.policies import AppliedFile, PolicyRepo
from sekimori.store.publish import read_current
from sekimori.store.tables import PolicyVersionRow

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from sekimori.cli.config import Config
    from sekimori.cli.places import Places
    from sekimori.ledger.record import Intent

CURRENT = "current"
_KEPT = 8
_SHORTEST = 4


@dataclass(frozen=True, slots=True)
class Desk:
    """An installation's policies; made by ``policies``, for as long as its database is open."""

    places: Places
    config: Config
    engine: Engine

    def compiled(self, extra: Path | None = None) -> tuple[Snapshot, tuple[str, ...]]:
        """Compile what is decided now, with ``extra`` applied too; and name what is withheld, and why."""
        catalogue = Catalogue.load()
        compile_all = compiler(self.config, catalogue)
        register = grant_register(self.places, self.config, catalogue)
        with session(self.engine, writes=False) as opened:
            repo = PolicyRepo(opened, policy_names(self.places))
            files, version = repo.current(), repo.latest_version()
            granted = register.granted(opened.connection(), now_us())
            source = f"{version}/{compile_all.key}/{register.stamp(opened.connection())}"
        if extra is not None:
            files = _with(files, extra, compile_all.signatures_needed)
        _, left = compile_all.joined(files, granted)
        withheld = [f"{one.kind} {one.id}: {'; '.join(one.why)}" for one in register.withheld]
        snapshot = self._published(source) if extra is None else None
        return snapshot or compile_all(files, now_us(), granted), (*withheld, *map(str, left))

    def in_force(self) -> str:
        """Give the hash of what was published last; empty where nothing was."""
        try:
            return read_current(self.places.policy).policy
        except PolicyUnavailableError:
            return ""

    def _published(self, source: str) -> Snapshot | None:
        """Find what is published, if it was made of the same: its hash is the one in the records."""
        try:
            current = read_current(self.places.policy)
        except PolicyUnavailableError:
            return None
        return self.stored(current.policy) if current.policy_source == source else None

    def named(self, name: str) -> Snapshot:
        """Find a policy: ``current``, a file that would be applied, or the first digits of a hash."""
        if name == CURRENT:
            return self.compiled()[0]
        if Path(name).is_file():
            return self.compiled(Path(name))[0]
        with session(self.engine, writes=False) as opened:
            hashes = opened.exec(
                select(PolicyVersionRow.sha256).where(col(PolicyVersionRow.sha256).startswith(name.lower()))
            ).all()
        if len(name) < _SHORTEST or len(hashes) != 1:
            raise UsageError(
                f'"{name}" names {len(hashes) or "no"} policies.',
                hint=f"Write current, a policy file, or at least {_SHORTEST} digits of a policy's hash.",
            )
        found = self.stored(hashes[0])
        if found is None:
            raise UsageError(f"The policy {hashes[0]} is not kept.")
        return found

    def stored(self, sha256: str) -> Snapshot | None:
        """Open a policy that was published; None if it never was."""
        with session(self.engine, writes=False) as opened:
            data = PolicyRepo(opened, policy_names(self.places)).snapshot(sha256)
        return None if data is None else load(data, sha256)

    def files(self) -> list[AppliedFile]:
        """List the applied files."""
        with session(self.engine, writes=False) as opened:
            return PolicyRepo(opened, policy_names(self.places)).current()

    def standing(self) -> dict[str, Any]:
        """Count what is stopped beside the policy."""
        register = standing_register(self.places, self.config)
        with session(self.engine, writes=False) as opened:
            found = register.standing(opened.connection(), now_us())
        return {
            "suspended_grants": sorted(found.suspended_grants),
            "suspended_services": sorted(found.suspended_services),
            "disabled_users": len(found.disabled_users),
            "notices": [f"{notice.id}/{notice.version}" for notice in found.notices],
            "overdue_users": len(found.overdue),
        }

    def replay(self, other: Snapshot, since_us: int, until_us: int) -> Replayed:
        """Put what was asked in a span to another policy; people's groups are those of today."""
        with session(self.engine, writes=False) as opened:
            people = PersonRepo(opened, people_names(self.places)).for_gate()
        then: Callable[[str], Snapshot | None] = lru_cache(maxsize=_KEPT)(self.stored)
        flagged = Catalogue.load()
        intents = decided(self.engine, store_keys(self.places), since_us, until_us)
        return replay((_recorded(intent, people, flagged) for intent in intents), then, other)


@contextmanager
def policies(places: Places, config: Config) -> Iterator[Desk]:
    """Open the policies of an installation."""
    with store(places) as engine:
        yield Desk(places, config, engine)


def _with(files: list[AppliedFile], extra: Path, needed: int) -> list[AppliedFile]:
    others = [each for each in files if each.file != extra.name]
    version = max((each.version for each in others), default=0) + 1
    # Only looked at: nobody needs to have signed what is not applied.
    unsigned = ("",) * needed
    return [
        *others,
        AppliedFile(
            version, extra.name, read_text(extra), "", now_us(), "", withdrawn=False, signed_by=unsigned
        ),
    ]


def _recorded(intent: Intent, people: People, catalogue: Catalogue) -> Recorded:
    person = people.get(intent.user) if intent.user else None
    entry = catalogue.lookup(intent.host) if intent.host else None
    facts = Facts(
        time_us=intent.time_us,
        host=intent.host,
        user=intent.user or None,
        groups=frozenset(person.groups) if person else frozenset(),
        user_source=intent.user_source,
        service=intent.service or None,
        flagged=entry is not None and bool(entry.flags),
        operation=intent.kind or "generate",
        model=intent.model or None,
        declared_class=intent.klass,
        detected_by=intent.detected,
        my_number="DENY_MY_NUMBER" in intent.reasons,
        purpose=intent.purpose or None,
        parse=intent.parse,
        unread_attachments=sum(not attached.read for attached in intent.attachments),
    )
    return Recorded(intent.rid, facts, intent.decision, intent.policy)
