"""``sekimori erase``: take a person, whole months or single records out of everything, lawfully and visibly."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from sekimori.cli.erasing_report import show_done, show_preview, tell_damaged
from sekimori.cli.options import (
    DEFAULT_DATA,
    DEFAULT_KEYS,
    By,
    ConfigFile,
    Data,
    Json,
    Keys,
    Yes,
    configured,
    installation,
)
from sekimori.cli.terminal import say
from sekimori.cli.whoami import executing, system_user
from sekimori.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sekimori.cli.config import Config
    from sekimori.cli.places import Places
    from sekimori.store.erasing import Authority, Eraser
    from sekimori.store.surveying import Wanted

_PAUSE = 0.2


def erase(
    subject: Annotated[str | None, typer.Option("--subject", help="Everything of this user.")] = None,
    before: Annotated[
        str | None, typer.Option("--before", help="Every month before this day, the first of a month.")
    ] = None,
    records: Annotated[
        list[str] | None, typer.Option("--record", help="This record; may be repeated.")
    ] = None,
    only: Annotated[
        bool, typer.Option("--only", help="Refuse if later records repeat words of those named.")
    ] = False,
    classes: Annotated[
        list[str] | None, typer.Option("--class", help="Only this retention class; may be repeated.")
    ] = None,
    basis: Annotated[str, typer.Option("--basis", help="The legal basis: a code, or CODE: TEXT.")] = "",
    approver: Annotated[str, typer.Option("--approver", help="The account of who approved it.")] = "",
    by: By = "",
    yes: Yes = False,
    wait: Annotated[
        float, typer.Option("--wait", min=0, help="Seconds to wait until the spool gives it up.")
    ] = 60.0,
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """Show what an erasure would take; with --yes, erase it: keys, text, names and search.

    Entries, leaves and proofs stay as they are. A legal hold keeps what it names. The approver must be an
    enabled account and somebody else than who carries it out; in gov and local_gov they type their own
    password here, or it is read from standard input. Codes for --basis: appi-22, appi-35, appi-98, consent,
    court, mistake, retention, other.

    \b
    Examples:
      sekimori erase --subject yamada --basis "appi-35: request 2026-15" --approver sato --yes
      sekimori erase --record 01J... --basis mistake --approver sato
    """
    from sekimori.cli.catch_up import catch_up
    from sekimori.store.erasing import Authority

    wanted = _wanted(subject, before, records or [], classes or [], only=only)
    authority = Authority(basis=basis.strip(), approver=approver, by=executing(by))
    places = installation(data, keys, config)
    if yes:
        _authorised(places, authority, by)
        _confirmed(places, configured(config), authority)
    if not catch_up(places):
        say("The archivist has not stored everything yet; what it stores later is not covered.")
    with _eraser(places) as eraser:
        if not yes:
            preview = eraser.preview(wanted)
            show_preview(preview, json=json, of_person=subject is not None)
            tell_damaged(preview.damaged)
            if preview.unknown:
                raise typer.Exit(1)
            return
        _wait_for_spool(places, eraser, wanted, wait)
        done = eraser.carry_out(wanted, authority)
        show_done(done, json=json)
        tell_damaged(done.shredded.damaged)


def _wanted(
    subject: str | None, before: str | None, records: list[str], classes: list[str], *, only: bool
) -> Wanted:
    from sekimori.policy.people import canonical_name
    from sekimori.store.retention import with_metadata
    from sekimori.store.surveying import Wanted

    if sum((subject is not None, before is not None, bool(records))) != 1:
        raise UsageError("Say what to erase.", hint="Give one of --subject, --before or --record.")
    if subject is not None and not canonical_name(subject):
        raise UsageError("--subject needs a name.")
    if only and not records:
        raise UsageError("--only goes with --record.")
    return Wanted(
        subject=None if subject is None else canonical_name(subject),
        before=None if before is None else _month(before),
        classes=with_metadata(frozenset(classes)),
        records=frozenset(records),
        only=only,
    )


def _month(before: str) -> str:
    try:
        day = date.fromisoformat(before)
    except ValueError as error:
        raise UsageError(f'--before "{before}" is no day.', hint="Write 2026-04-01.") from error
    if day.day != 1:
        raise UsageError(
            f"Keys belong to whole months, and {day} is in the middle of one.",
            hint=f"Give --before {day.replace(day=1)}, or single records with --record.",
        )
    return f"{day:%Y-%m}"


def _authorised(places: Places, authority: Authority, by: str) -> None:
    """Refuse an erasure that nobody else has approved."""
    from sekimori.cli.opened import people_names, store_session
    from sekimori.policy.people import canonical_name
    from sekimori.store.erasing import CODES
    from sekimori.store.people import PersonRepo

    if not authority.basis or not authority.approver:
        raise UsageError(
            "An erasure needs a legal basis and an approver.", hint="Give --basis and --approver."
        )
    if not authority.named:
        raise UsageError(
            f'--basis "{authority.basis}" begins with no code.',
            hint=f'Write one of {", ".join(CODES)}, or "CODE: TEXT".',
        )
    name = canonical_name(authority.approver)
    with store_session(places) as session:
        account = PersonRepo(session, people_names(places)).get(name)
    if account is None or account.disabled:
        raise UsageError(f"The approver {name} has no enabled account.", hint="See: sekimori user list")
    if name in {canonical_name(by), canonical_name(system_user())}:
        raise UsageError("Nobody approves their own erasure.", hint="Name somebody else with --approver.")


def _confirmed(places: Places, config: Config, authority: Authority) -> None:
    """Have the approver sign in, and hold a role that answers for the records, where the profile asks for it."""
    from sekimori.cli.acting import actor, may_act_unnamed, signed_in
    from sekimori.cli.governed import governed_at
    from sekimori.cli.opened import now_us
    from sekimori.cli.permitted import expect_erasure_approver

    if may_act_unnamed(config):
        return
    approver = signed_in(places, authority.approver)
    with governed_at(places, config) as opened, opened.governing.state() as state:
        expect_erasure_approver(actor(approver, state, now_us()))


@contextmanager
def _eraser(places: Places) -> Iterator[Eraser]:
    from sekimori.cli.opened import new_id, now_us, store, store_keys
    from sekimori.store.erasing import Eraser

    keys = store_keys(places)
    with store(places) as engine:
        yield Eraser(engine, keys, clock=now_us, new_id=new_id, spool=places.spool)


def _wait_for_spool(places: Places, eraser: Eraser, wanted: Wanted, seconds: float) -> None:
    """Ask the workers to begin new segments, and wait until the old ones are given up."""
    from sekimori.ledger.lanes import ask_to_roll

    deadline = time.monotonic() + seconds
    while (lanes := eraser.preview(wanted).spool) and time.monotonic() < deadline:
        for lane in lanes:
            ask_to_roll(places.spool / lane)
        time.sleep(_PAUSE)
