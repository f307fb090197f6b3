"""What a row of the table of routes is made of: a noun, its verbs, and whom a thing is about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sekimori.governance.application import Application
from sekimori.governance.appointment import Appointment
from sekimori.governance.state import Aggregate, State

Owners = Callable[[State, Any], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Verb:
    """One command: POST to the collection where it ``makes``, else to a thing's own path and this name.

    ``key`` is the field that the path's id fills. ``fresh`` fields are ids that the server draws, ``told``
    fields what only the server can know. Whoever ``replaces`` what others may edit, or ``settles`` it as it
    is, says which version was read.
    """

    name: str
    command: type[Any]
    key: str = "id"
    makes: bool = False
    replaces: bool = False
    settles: bool = False
    fresh: tuple[str, ...] = ()
    told: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Noun:
    """One kind of thing under one path; ``owners`` are the people whom one of them is about."""

    kind: type[Aggregate]
    path: str
    ja: str
    owners: Owners
    verbs: tuple[Verb, ...] = field(default=())


def own(*names: str) -> Owners:
    """Say that a thing is about those whom these fields name."""

    def owners(_state: State, value: Any) -> tuple[str, ...]:
        found: list[str] = []
        for name in names:
            held = getattr(value, name)
            found += held if isinstance(held, tuple) else [held]
        return tuple(each for each in found if each)

    return owners


def of_the_application(*names: str) -> Owners:
    """Say that a thing is about the applicant of its application, too."""
    direct = own(*names)

    def owners(state: State, value: Any) -> tuple[str, ...]:
        found = state.find(Application, value.application)
        return (*direct(state, value), *((found.applicant,) if found else ()))

    return owners


def of_authorities(_state: State, value: Any) -> tuple[str, ...]:
    """Name who holds an authority, and the deputies."""
    return (value.holder, *(deputy.name for deputy in value.deputies))


def of_applications(state: State, value: Any) -> tuple[str, ...]:
    """Name who applies, for whom, and who was asked to administer it."""
    asked = state.find(Appointment, value.appointment)
    return (value.applicant, *value.plan.users, *((asked.administrator,) if asked else ()))


def of_agents(_state: State, value: Any) -> tuple[str, ...]:
    """Name whose a conversation is, and the person behind an agent."""
    return tuple(each for each in (value.subject, getattr(value, "owner", "")) if each)


def plain_verbs(**commands: type[Any]) -> tuple[Verb, ...]:
    """Give the verbs of commands that need nothing but a thing and their own fields."""
    return tuple(Verb(name.strip("_").replace("_", "-"), command) for name, command in commands.items())
