"""Services that an applied file owns, as the register sees them: it shows them, and nobody edits them by hand.

Carried out with each ``sekimori apply``, by the clock: the decision is the file's, and who signed it stands
there. A service that its file no longer says is suspended here, so that no grant on it lives on. What a person
stopped, a file does not start again: applying it once more is no decision about that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sekimori.governance.actors import CLOCK_ROLE, Actor
from sekimori.governance.change import Change, Changing
from sekimori.governance.machine import START, Case, Machine, Transition
from sekimori.governance.refusals import refuse
from sekimori.governance.rules import Rules
from sekimori.governance.service import (
    DISOWNED,
    POLICY_CONTRACT,
    Contract,
    Facts,
    Flag,
    RegisteredService,
    stopped_by_hand,
)
from sekimori.governance.state import State
from sekimori.policy import model

_CLOCK = (CLOCK_ROLE,)
# Beside the table of services by hand: none of these is anybody's command.
MACHINE = Machine(
    RegisteredService.noun,
    [
        Transition(START, "own", "ACTIVE", (), _CLOCK),
        Transition(START, "own_suspended", "SUSPENDED", (), _CLOCK),
        Transition("ACTIVE", "own", "ACTIVE", (), _CLOCK),
        Transition("SUSPENDED", "own", "ACTIVE", (), _CLOCK),
        Transition("ACTIVE", "own_suspended", "SUSPENDED", (), _CLOCK),
        Transition("SUSPENDED", "own_suspended", "SUSPENDED", (), _CLOCK),
        Transition("ACTIVE", "disown", "SUSPENDED", (), _CLOCK),
        # Retired by hand: a file brings it back only under another id.
    ],
    {},
)
_CONTRACTS = {theirs: ours for ours, theirs in POLICY_CONTRACT.items()}
Owned = Mapping[str, tuple[str, model.Service]]
"""Services by id, each with the name of the file that owns it."""


def own_services(state: State, owned: Owned, at_us: int, rules: Rules) -> Change:
    """Bring the register in line with the files; raises ``Forbidden`` for what is kept by hand."""
    check_owned(state, owned)
    actor = Actor("clock", frozenset({CLOCK_ROLE}), "", state.tenant)
    changing = Changing(state, actor, at_us)
    for id_, (file, service) in sorted(owned.items()):
        before = state.find(RegisteredService, id_)
        if before is not None and before.status == "RETIRED":
            continue
        facts = _facts(service, file)
        fresh = before or RegisteredService(tenant=state.tenant, id=id_, status=START, facts=facts)
        stopped = stopped_by_hand(fresh)
        verb = "own" if service.status == "active" and not stopped else "own_suspended"
        status = MACHINE.move(verb, Case(state, fresh, None, actor, at_us, rules))
        why = fresh.suspended_for if stopped else ""
        fields: dict[str, Any] = {"status": status, "facts": facts, "owner_file": file, "suspended_for": why}
        if before is None or any(getattr(before, name) != value for name, value in fields.items()):
            changing.edit(verb, fresh, **fields)
    for entry in list(state.all(RegisteredService)):
        if entry.owner_file and entry.id not in owned and entry.status == "ACTIVE":
            status = MACHINE.move("disown", Case(state, entry, None, actor, at_us, rules))
            changing.edit("disown", entry, status=status, suspended_for=DISOWNED)
    return changing.done()


def check_owned(state: State, owned: Owned, *, applied: str = "") -> None:
    """Refuse a file that says a service which is kept by hand; nothing is changed.

    ``applied`` is the file that is applied now: it may not say a service that was retired.
    """
    for id_, (file, _) in owned.items():
        entry = state.find(RegisteredService, id_)
        if entry is not None and not entry.owner_file:
            raise refuse("kept-by-hand", id=id_)
        if entry is not None and entry.status == "RETIRED" and file == applied:
            raise refuse("retired", id=id_)


def _facts(service: model.Service, file: str) -> Facts:
    contract = None
    if service.contract_no:
        contract = Contract(
            number=service.contract_no, start=service.contract_start, end=service.contract_end
        )
    return Facts(
        name=service.name,
        provider=service.provider,
        hosts=service.hosts,
        models=service.models,
        contract_type=_CONTRACTS[service.contract],
        contract=contract,
        data_locations=service.data_locations,
        flags=tuple(Flag(code=code, source=file) for code in service.flags),
        class_floor=service.class_floor,
        interception=service.interception,
        decrypt_mixed=service.decrypt_mixed,
    )
