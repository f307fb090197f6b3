"""Who ``explain`` takes somebody to be: the account or the directory's entry, and how the gate came to know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sekimori.errors import UsageError
from sekimori.policy.people import People, Person
from sekimori.policy.subject import API_KEY, BASIC, HEADER, KEY, LDAP, MTLS, NONE, Source, may_act

# What is said for short, and what records say.
_WRITTEN = {BASIC: BASIC, LDAP: LDAP, MTLS: MTLS, HEADER: f"{HEADER}/{MTLS}"}
_OTHER_THAN_PASSWORDS_HERE = frozenset({LDAP, MTLS, HEADER})


@dataclass(frozen=True, slots=True)
class Identified:
    """Who asks, and the ``user_source`` of the record; ``assumed`` where only the directory can tell."""

    person: Person | None
    source: str
    assumed: bool = False


def identified(
    people: People, sources: Sequence[str], *, user: str, said: str | None, groups: Sequence[str] = ()
) -> Identified:
    """Take ``user`` for whom the gate would, by the source that is ``said`` or the first that is configured.

    Where there is a directory, a name without an account is assumed to be in it, with ``groups``.
    """
    kind = said or next((name for name in sources if name != API_KEY), NONE)
    source = Source.read(kind)
    if source.kind == KEY:
        return _with_key(people, sources, user, source)
    if source.kind not in _WRITTEN:
        raise UsageError(
            f'"{kind}" says nobody who somebody is.',
            hint=f"Write --source {', '.join(_WRITTEN)} or key/ID, as sekimori key list shows it.",
        )
    if source.kind not in sources:
        return Identified(None, NONE)
    person = people.get(user)
    if person is None and LDAP in sources and source.kind in _OTHER_THAN_PASSWORDS_HERE:
        return Identified(Person(name=user, groups=tuple(groups)), _WRITTEN[source.kind], assumed=True)
    return Identified(person, _WRITTEN[source.kind])


def _with_key(people: People, sources: Sequence[str], user: str, source: Source) -> Identified:
    found = people.key(source.detail)
    owner = people.get(user)
    if found is None or owner is None or found[0].name != owner.name:
        raise UsageError(
            f"{user} has no key {source.detail}.", hint="sekimori key list shows every key with its owner."
        )
    written = str(Source(KEY, source.detail, found[1].grant))
    usable = API_KEY in sources and may_act(owner, written)
    return Identified(owner if usable else None, written if usable else NONE)
