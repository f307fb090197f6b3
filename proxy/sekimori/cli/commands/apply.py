"""``sekimori apply`` and ``sekimori check``: record decisions taken elsewhere, or only look at a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sekimori.cli.options import DEFAULT_DATA, DEFAULT_KEYS, ConfigFile, Data, Json, Keys, installation
from sekimori.cli.terminal import escape_lines, print_json, say
from sekimori.cli.whoami import system_user
from sekimori.errors import PolicyFileError

if TYPE_CHECKING:
    from sekimori.cli.applying import Applied

File = Annotated[Path, typer.Argument(help="Services, groups and grants (YAML).")]
Signatures = Annotated[
    list[Path] | None,
    typer.Option("--signature", help="A detached signature of FILE, SSH's or 64 bytes; once for each."),
]
_WRONG = 2


def apply(
    file: File,
    signature: Signatures = None,
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """Record decisions taken elsewhere: services, groups and grants; all of FILE or nothing.

    FILE is known by its name without folders. Applied again, it replaces what it said before: what it
    no longer says is withdrawn. What the truth table forbids is refused.

    With the profiles gov and local_gov two approval authorities must have signed FILE; a signature is what
    `ssh-keygen -Y sign -n sekimori-apply -f KEY FILE` writes to FILE.sig, with a registered Ed25519 key.

    \b
    Example:
      sekimori apply openai.yaml
      sekimori apply openai.yaml --signature taro.sig --signature hanako.sig

    \b
    openai.yaml:
      services:
        - id: openai-api
          name: OpenAI API
          provider: openai
          hosts: [api.openai.com]
          contract: individual
          contract_no: K-2026-12
      grants:
        - id: g-2026-001
          service: openai-api
          users: [yamada]
          purpose: 会議録の要約
          period: {start: 2026-04-01, end: 2027-03-31}
          max_class: 1
          models: ["gpt-*"]
          administrator: tanaka
          decided_by: sasaki
          decided_on: 2026-03-20
    """
    from sekimori.cli.applying import apply_file
    from sekimori.cli.in_force import policy_published
    from sekimori.cli.options import configured

    settings = configured(config)
    places = installation(data, keys, config)
    try:
        applied = apply_file(places, settings, file, by=system_user(), signatures=signature or ())
    except PolicyFileError as error:
        _refuse(error, file)
    policy = policy_published(places, applied.version)
    if json:
        print_json({**applied.plain(), "policy": policy, "in_force": policy is not None})
    else:
        _tell(applied, policy)


def check(
    file: File, data: Data = DEFAULT_DATA, keys: Keys = DEFAULT_KEYS, config: ConfigFile = None
) -> None:
    """Check FILE without applying it: exit 2 and `FILE:LINE: message` for each fault.

    Beside an installation it is checked together with what is applied there, otherwise by itself.

    \b
    Example:
      sekimori check openai.yaml
    """
    from sekimori.cli.applying import check_file
    from sekimori.cli.options import configured
    from sekimori.cli.places import Places

    settings = configured(config)
    try:
        check_file(Places.of(data, keys, settings), settings, file)
    except PolicyFileError as error:
        _refuse(error, file)
    print(f"{file}: no fault")


def _refuse(error: PolicyFileError, file: Path) -> None:
    for fault in error.faults:
        where = str(file) if fault.file == file.name else fault.file
        field = f"{fault.field}: " if fault.field else ""
        say(f"{where}:{max(fault.line, 1)}: {field}{fault.message}")
    raise typer.Exit(_WRONG) from error


def _tell(applied: Applied, policy: str | None) -> None:
    for what, names in applied.changes().items():
        for name in names:
            print(escape_lines(f"{what}: {name}"))
    if applied.signed_by:
        print(escape_lines(f"signed by: {', '.join(applied.signed_by)}"))
    if not any(applied.changes().values()):
        print("Nothing changed.")
    if policy is not None:
        print(f"Version {applied.version} is in force (policy {policy[:12]}).")
    elif applied.serving:
        say(f"Version {applied.version} is recorded but not in force yet; see what `sekimori up` says.")
        raise typer.Exit(1)
    else:
        print(f"Version {applied.version} is recorded; it is in force once `sekimori up` runs.")
