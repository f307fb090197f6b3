"""``sekimori govern``: every command of governance from a file, and what there is and was."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sekimori.cli.command_map import command_group
from sekimori.cli.commands import roles
from sekimori.cli.options import DEFAULT_DATA, DEFAULT_KEYS, ConfigFile, Data, Json, Keys
from sekimori.cli.terminal import escape, json_line, print_json, print_table, say

if TYPE_CHECKING:
    from sekimori.cli.governed import Governed
    from sekimori.governance.refusals import Forbidden
    from sekimori.governance.state import Aggregate

group = command_group(
    "Decisions about services and grants (ガバナンス): apply, approve, accept, suspend, and what was decided.",
    "sekimori govern verbs",
    "sekimori govern list grant --status ACTIVE --as taro",
)

group.command("serve")(roles.govern)

_REFUSED = 1

As = Annotated[str | None, typer.Option("--as", metavar="USER", help="Sign in; the password is asked for.")]
Noun = Annotated[
    str, typer.Argument(metavar="NOUN", help="What kind of thing: grant, application, service …")
]


@group.command("do")
def do(
    verb: Annotated[str, typer.Argument(metavar="VERB", help="The command, as govern verbs names it.")],
    account: As = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="Its fields, as a JSON object; - is standard input.")
    ] = None,
    once: Annotated[
        str, typer.Option("--once", help="A key of your own: the same command under it happens once.")
    ] = "",
    read: Annotated[
        int | None, typer.Option("--read", min=1, help="The version you read; needed to replace or publish.")
    ] = None,
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """Carry out a command: all of it, or a refusal (exit 1) and nothing.

    \b
    Example:
      sekimori govern do submit-application --file ./submit.json --as hanako
    """
    from sekimori.cli.acting import acting, actor
    from sekimori.cli.governed import governed
    from sekimori.cli.governing import expected_of, read_command
    from sekimori.cli.opened import now_us
    from sekimori.governance.refusals import Forbidden

    with governed(data, keys, config) as opened:
        who = acting(opened.places, opened.config, account)
        command = read_command(verb, file)
        try:
            with opened.governing.state() as state:
                acts = actor(who, state, now_us())
                expected = expected_of(state, command, read)
            change = opened.governing.perform(command, acts, expected=expected, once=once)
        except Forbidden as refusal:
            _refused(refusal, json=json)
            raise typer.Exit(_REFUSED) from refusal
    if json:
        print_json({"events": change.events, "values": [_with_noun(value) for value in change.values]})
        return
    for event in change.events:
        print(escape(f"{event.kind} {event.id} (version {event.version})"))


@group.command("verbs")
def verbs(json: Json = False, data: Data = DEFAULT_DATA, keys: Keys = DEFAULT_KEYS) -> None:  # noqa: ARG001
    """List every command and its fields; those with a * must be given.

    \b
    Example:
      sekimori govern verbs
    """
    from sekimori.cli.governing import described

    rows = described()
    if json:
        for row in rows:
            print_json(row)
    else:
        print_table(("verb", "fields"), rows)


@group.command("list")
def list_things(
    noun: Noun,
    status: Annotated[str | None, typer.Option("--status", help="Only those in this state.")] = None,
    after: Annotated[str, typer.Option("--after", help="Go on behind this id.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 100,
    account: As = None,
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """List things of a kind in the order in which they were made; whoever has no role for it sees their own.

    \b
    Example:
      sekimori govern list grant --status ACTIVE --as taro --json
    """
    from sekimori.cli.governed import governed
    from sekimori.cli.governing import expect_noun, may_read, pages

    expect_noun(noun)
    with governed(data, keys, config) as opened:
        own = may_read(opened, account, noun)
        found = pages(opened.governing, noun, status=status, after=after, limit=limit, own=own)
        if json:
            for value in found:
                print_json(_with_noun(value))
        else:
            columns = ("id", "status", "version")
            print_table(columns, ({name: getattr(value, name) for name in columns} for value in found))


@group.command("show")
def show(
    noun: Noun,
    id_: Annotated[str, typer.Argument(metavar="ID", help="Which one.")],
    account: As = None,
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """Show a thing as it is now.

    \b
    Example:
      sekimori govern show grant g-2026-001 --as taro
    """
    from sekimori.cli.governed import governed

    with governed(data, keys, config) as opened:
        value = _found(opened, noun, id_, account)
    fields = _with_noun(value)
    if json:
        print_json(fields)
        return
    for name, said in fields.items():
        print(f"{name + ':':22}{escape(said) if isinstance(said, str) else json_line(said)}")


@group.command("history")
def history(
    noun: Noun,
    id_: Annotated[str, typer.Argument(metavar="ID", help="Which one.")],
    account: As = None,
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """Show all that happened to a thing, the oldest first; every line is committed to by a leaf.

    \b
    Example:
      sekimori govern history application a1 --as taro --json
    """
    from sekimori.cli.governed import governed
    from sekimori.cli.governing import happened, told

    with governed(data, keys, config) as opened:
        _found(opened, noun, id_, account)
        events = list(happened(opened.governing, noun, id_))
    if json:
        for event in events:
            print_json(event)
    else:
        print_table(("time", "version", "by", "kind", "changed"), map(told, events))


def _found(opened: Governed, noun: str, id_: str, account: str | None) -> Aggregate:
    from sekimori.cli.governing import expect_noun, is_about, may_read
    from sekimori.cli.permitted import refuse_somebody_elses
    from sekimori.governance.refusals import Forbidden

    kind = expect_noun(noun)
    own = may_read(opened, account, noun)
    try:
        with opened.governing.state() as state:
            value = state.get(kind, id_)
            if own is None or is_about(state, value, own):
                return value
            refuse_somebody_elses()
    except Forbidden as refusal:
        _refused(refusal, json=False)
        raise typer.Exit(_REFUSED) from refusal


def _with_noun(value: Aggregate) -> dict[str, Any]:
    from sekimori.governance.state import plain

    return {"noun": value.noun, **plain(value)}


def _refused(refusal: Forbidden, *, json: bool) -> None:
    told = [{"field": each.field, "ja": each.ja, "en": each.en} for each in refusal.missing]
    if json:
        print_json({"code": refusal.code, "ja": refusal.ja, "en": refusal.en, "missing": told})
    lines = [f"{refusal.code}: {refusal.ja} {refusal.en}"]
    lines += [f"  {each['field']}: {each['ja']} ({each['en']})" for each in told]
    say("\n".join(lines))
