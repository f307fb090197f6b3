"""``sekimori explain``: the decision that the gate would take."""

from __future__ import annotations

from typing import Annotated

import typer

from sekimori.cli.options import DEFAULT_DATA, DEFAULT_KEYS, ConfigFile, Data, Json, Keys, installation
from sekimori.cli.terminal import cell, escape, print_json
from sekimori.errors import UsageError

_NO = 1


def explain(
    url: Annotated[
        str, typer.Argument(help="What would be asked for, as https://api.openai.com/v1/responses.")
    ],
    user: Annotated[str, typer.Option("--user", help="Who would ask.")],
    model: Annotated[str | None, typer.Option("--model", help="The model that the request names.")] = None,
    klass: Annotated[
        int | None, typer.Option("--class", min=1, max=3, help="The class that is declared.")
    ] = None,
    purpose: Annotated[str | None, typer.Option("--purpose", help="The purpose that is declared.")] = None,
    operation: Annotated[str, typer.Option("--operation", help="generate, embed, file, ...")] = "generate",
    source: Annotated[
        str | None, typer.Option("--source", help="How they are known: basic, ldap, mtls, header, key/ID.")
    ] = None,
    groups: Annotated[
        list[str] | None, typer.Option("--group", help="A group of the directory; may be repeated.")
    ] = None,
    at: Annotated[str | None, typer.Option("--at", help="When: RFC 3339, or a day in Japan.")] = None,
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """Show the decision that the gate would take: exit 0 it passes, 1 it is refused.

    Taken from what is applied now, also where that is not published yet. Without --source the first of
    identity.sources is how the user is known. The directory is not asked: who has no account here is
    assumed to be in it, where there is one, with the groups that --group names.

    \b
    Examples:
      sekimori explain https://api.openai.com/v1/responses --user yamada --model gpt-5 --json
      sekimori explain https://api.openai.com/v1/responses --user yamada --source key/k7q2mzx4ab
      sekimori explain https://chatgpt.com/ --user suzuki --source ldap --group summarisers
    """
    from sekimori.cli.explaining import Question, answer
    from sekimori.cli.opened import now_us
    from sekimori.cli.options import configured
    from sekimori.cli.times import parse_time
    from sekimori.policy.model import OPERATIONS

    if operation not in OPERATIONS:
        raise UsageError(f"--operation {operation} is none.", hint=f"Write one of {', '.join(OPERATIONS)}.")
    now = now_us()
    time_us = parse_time(at, now_us=now, option="--at") if at else now
    question = Question(url, user, model, klass, purpose, operation, time_us, source, tuple(groups or ()))
    found = answer(installation(data, keys, config), configured(config), question)
    if json:
        print_json(found)
    else:
        for name, value in found.items():
            if name != "why" and value not in (None, []):
                print(f"{name + ':':14}{cell(value)}")
        for reason in found["why"]:
            print(escape(reason))
    if found["decision"] != "allow":
        raise typer.Exit(_NO)
