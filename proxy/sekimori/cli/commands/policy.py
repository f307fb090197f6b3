"""``sekimori policy``: what is in force, what a change would change, and what it would have meant."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from sekimori.cli.command_map import command_group
from sekimori.cli.options import (
    DEFAULT_DATA,
    DEFAULT_KEYS,
    ConfigFile,
    Data,
    Json,
    Keys,
    configured,
    installation,
)
from sekimori.cli.terminal import escape_lines, print_json
from sekimori.errors import PolicyFileError, UsageError

group = command_group(
    "The policy: what is in force, and what a change would mean.",
    "sekimori policy show",
    "sekimori policy diff current openai.yaml",
)

_SHOWN = 20
_Version = Annotated[str, typer.Argument(help="current, a policy file, or the first digits of a hash.")]


@group.command("show")
def show(
    version: _Version = "current",
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """Show a policy: its hash, what it asks for, how much it holds, what is withheld or stopped.

    \b
    Example:
      sekimori policy show
    """
    from pathlib import Path

    from sekimori.cli.policies import CURRENT, policies

    with policies(installation(data, keys, config), configured(config)) as desk:
        extra = Path(version) if Path(version).is_file() else None
        if version == CURRENT or extra is not None:
            snapshot, withheld = _compiled(desk, extra)
        else:
            snapshot, withheld = desk.named(version), ()
        files = desk.files()
        told: dict[str, Any] = {
            "policy": snapshot.hash,
            "in_force": snapshot.hash == desk.in_force(),
            "profile": snapshot.profile,
            "advice_required": snapshot.rules.advice_required,
            "consent_required": snapshot.rules.consent_required,
            "unsigned": snapshot.unsigned,
            "services": len(snapshot.services),
            "groups": len(snapshot.groups),
            "grants": len(snapshot.grants),
            "files": [{"file": f.file, "version": f.version, "signed_by": list(f.signed_by)} for f in files],
            "withheld": list(withheld),
            "standing": desk.standing(),
        }
    if json:
        print_json(told)
        return
    for name in ("policy", "profile", "services", "groups", "grants"):
        print(f"{name + ':':12}{told[name]}")
    for name in ("in_force", "advice_required", "consent_required", "unsigned"):
        print(f"{name}: {'yes' if told[name] else 'no'}")
    for file in files:
        signed = ", ".join(file.signed_by) or "nobody"
        print(escape_lines(f"file {file.file}: version {file.version}, signed by {signed}"))
    for each in withheld:
        print(escape_lines(f"withheld: {each}"))
    for name, value in told["standing"].items():
        if value:
            print(escape_lines(f"{name}: {', '.join(value) if isinstance(value, list) else value}"))


@group.command("diff")
def diff(
    before: _Version,
    after: _Version,
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """Show what differs between two policies: exit 0 nothing, 1 something.

    \b
    Example:
      sekimori policy diff current openai.yaml
    """
    from sekimori.cli.policies import policies
    from sekimori.policy.difference import differences

    with policies(installation(data, keys, config), configured(config)) as desk:
        found = list(differences(_named(desk, before), _named(desk, after)))
    for each in found:
        if json:
            print_json({"kind": each.kind, "id": each.id, "what": each.what, "fields": dict(each.fields)})
            continue
        print(escape_lines(f"{each.what}: {each.kind} {each.id}".rstrip()))
        for name, (old, new) in each.fields.items():
            print(escape_lines(f"  {name}: {old} -> {new}"))
    if found:
        raise typer.Exit(1)


@group.command("replay")
def replay(
    other: Annotated[str, typer.Option("--with", help="A policy file, or the first digits of a hash.")],
    since: Annotated[str, typer.Option("--since", help="RFC 3339, a day in Japan, or an age: 30d.")] = "30d",
    until: Annotated[str | None, typer.Option("--until", help="Likewise; a day counts to its end.")] = None,
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """Tell what a policy would have allowed and refused of the requests in the log.

    A request is compared only if the policy of its day, asked again with what the record holds, says what
    was said then; the others are counted as not comparable.

    \b
    Example:
      sekimori policy replay --since 30d --with openai.yaml
    """
    from sekimori.cli.opened import now_us
    from sekimori.cli.policies import policies
    from sekimori.cli.times import parse_time

    now = now_us()
    since_us = parse_time(since, now_us=now, option="--since")
    until_us = parse_time(until, now_us=now, option="--until", end=True) if until else now
    if since_us >= until_us:
        raise UsageError("--since lies after --until.", hint="Name an earlier time.")
    with policies(installation(data, keys, config), configured(config)) as desk:
        found = desk.replay(_named(desk, other), since_us, until_us)
    if json:
        print_json(_plain(found))
        return
    print(f"requests:        {found.requests}")
    print(f"as before:       {found.same}")
    print(f"not comparable:  {found.unsaid}")
    for verdict, count, word in (("allow", found.allowed, "allowed"), ("deny", found.refused, "refused")):
        print(f"{'newly ' + word + ':':17}{count}")
        for (user, service), times in found.users[verdict].most_common(_SHOWN):
            print(escape_lines(f"  {times} of {user or '-'} to {service}"))
        for each in found.examples[verdict][:_SHOWN]:
            print(escape_lines(f"  record {each.rid} {' '.join(each.reasons)}".rstrip()))


def _plain(found: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "requests": found.requests,
        "same": found.same,
        "not_comparable": found.unsaid,
        "allowed": found.allowed,
        "refused": found.refused,
        "reasons": dict(found.reasons),
        "users": {
            verdict: [
                {"user": user, "service": service, "requests": times} for (user, service), times in by.items()
            ]
            for verdict, by in found.users.items()
        },
        "examples": {verdict: [asdict(one) for one in many] for verdict, many in found.examples.items()},
    }


def _named(desk: Any, name: str) -> Any:
    try:
        return desk.named(name)
    except PolicyFileError as error:
        raise _faulty(error) from error


def _compiled(desk: Any, extra: Any) -> Any:
    try:
        return desk.compiled(extra)
    except PolicyFileError as error:
        raise _faulty(error) from error


def _faulty(error: PolicyFileError) -> UsageError:
    first = error.faults[0]
    where = f"{first.file}:{max(first.line, 1)}"
    return UsageError(
        f"{len(error.faults)} faults, the first in {where}: {first.message}.", hint="Run: sekimori check FILE"
    )
