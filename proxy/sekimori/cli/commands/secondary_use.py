"""``sekimori secondary-use``: who answers for an output that is used again, from its text back to its prompt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sekimori.cli.command_map import command_group
from sekimori.cli.options import DEFAULT_DATA, DEFAULT_KEYS, ConfigFile, Data, Json, Keys
from sekimori.cli.terminal import escape, print_json, print_table
from sekimori.errors import UsageError

if TYPE_CHECKING:
    from sekimori.cli.governed import Governed
    from sekimori.governance.secondary_use import SecondaryUse

group = command_group(
    "Outputs that are used again (二次利用): entered, found, reviewed before they leave.",
    "sekimori secondary-use add ./notice.txt --for 広報資料 --audience external --verified --as hanako",
    "sekimori secondary-use find ./notice.txt",
)

_NOT_FOUND = 1
_MOST = 16 << 20
_COLUMNS = ("id", "status", "audience", "intended_use", "author", "responsible", "reviewer", "exchange")
_AUDIENCES = ("internal", "external")

File = Annotated[Path, typer.Argument(metavar="FILE", help="The text of the output, in UTF-8.")]


@group.command("add")
def add(
    file: File,
    intended_use: Annotated[str, typer.Option("--for", help="What it is used for.")],
    audience: Annotated[str, typer.Option("--audience", help="internal or external.")],
    account: Annotated[
        str, typer.Option("--as", metavar="USER", help="The author signs in; the password is asked for.")
    ],
    record: Annotated[
        str, typer.Option("--record", help="The record it came from, where its text was changed since.")
    ] = "",
    verified: Annotated[bool, typer.Option("--verified", help="A person has verified it.")] = False,
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """Enter the use of an output: its record is found by the text itself, and its grant names who answers.

    What goes outside must have been verified by a person, and waits for somebody else than its author.

    \b
    Example:
      sekimori secondary-use add ./notice.txt --for 広報資料 --audience external --verified --as hanako
    """
    from sekimori.cli.acting import actor, signed_in
    from sekimori.cli.catch_up import catch_up
    from sekimori.cli.governed import governed
    from sekimori.cli.opened import new_id, now_us
    from sekimori.governance.secondary_use import RecordSecondaryUse, SecondaryUse, output_hash

    if audience not in _AUDIENCES:
        raise UsageError(f'--audience "{audience}" is none.', hint="Write internal or external.")
    text = _text(file)
    with governed(data, keys, config) as opened:
        who = signed_in(opened.places, account)
        catch_up(opened.places)
        exchange, grant = _origin(opened, who.name, text, record)
        command = RecordSecondaryUse(
            id=new_id(),
            output_sha256=output_hash(text),
            exchange=exchange,
            grant=grant,
            intended_use=intended_use,
            audience="EXTERNAL" if audience == "external" else "INTERNAL",
            human_verified=verified,
        )
        with opened.governing.state() as state:
            acts = actor(who, state, now_us())
        change = opened.governing.perform(command, acts)
        _show([value for value in change.values if isinstance(value, SecondaryUse)], json=json)


def _text(file: Path) -> str:
    from sekimori.cli.handing_out import taken

    text = taken(file, _MOST).decode("utf-8", "replace").removeprefix("\ufeff")
    if not text.strip():
        raise UsageError(f"{file} holds no text.")
    return text


def _origin(opened: Governed, name: str, text: str, record: str) -> tuple[str, str]:
    """Find the record of a text and the grant that it was made under; the author's own, the newest."""
    from sekimori.cli.opened import new_id, now_us
    from sekimori.governance.actors import same
    from sekimori.store.log import LogReader
    from sekimori.store.output_search import OutputSearch
    from sekimori.store.reading_desk import Reader

    log = LogReader(opened.engine, opened.keys, clock=now_us, new_id=new_id)
    if record:
        rids = [record]
    else:
        search = OutputSearch(opened.engine, opened.keys, clock=now_us, new_id=new_id)
        rids = search.find(text, Reader(name, "account", "secondary use"))
    shown = [found for rid in rids if (found := log.show(rid)) is not None]
    own = [found for found in shown if same(found["user"] or "", name) and found["grant"]]
    if not own:
        raise UsageError(
            "No record of yours with a grant holds this text as its answer.",
            hint="Give the text as it was answered, or the record it came from with --record.",
        )
    newest = max(own, key=lambda found: str(found["time"]))
    # A grant for several work scopes is a policy grant for each: GRANT/SCOPE.
    return str(newest["id"]), str(newest["grant"]).partition("/")[0]


@group.command("find")
def find(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="The text of the output, in UTF-8.")
    ] = None,
    sha256: Annotated[str, typer.Option("--sha256", help="Its hash instead, as the register names it.")] = "",
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """Say what is known of an output: its uses, who answers for each, and the record of its prompt.

    Exit 1 where the register knows nothing of it. The prompt itself: sekimori log show RECORD --content.

    \b
    Example:
      sekimori secondary-use find ./notice.txt
    """
    from sekimori.cli.governed import governed
    from sekimori.governance.secondary_use import output_hash, uses_of

    if (file is None) == (not sha256):
        raise UsageError("Say which output.", hint="Give its FILE or its --sha256.")
    wanted = sha256.lower() if file is None else output_hash(_text(file))
    with governed(data, keys, config) as opened, opened.governing.state() as state:
        found = sorted(uses_of(state, wanted), key=lambda each: (each.recorded_us, each.id))
    _show(found, json=json)
    if not found:
        raise typer.Exit(_NOT_FOUND)


@group.command("review")
def review(
    use: Annotated[str, typer.Argument(metavar="ID", help="A use, as find names it.")],
    note: Annotated[str, typer.Option("--note", help="What was found.")],
    account: Annotated[
        str, typer.Option("--as", metavar="USER", help="The reviewer signs in; the password is asked for.")
    ],
    refuse: Annotated[bool, typer.Option("--refuse", help="It may not go outside.")] = False,
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """Let an output go outside, or not: never its author.

    \b
    Example:
      sekimori secondary-use review 01J... --note 確認済み --as rin
    """
    from sekimori.cli.acting import actor, signed_in
    from sekimori.cli.governed import governed
    from sekimori.cli.opened import now_us
    from sekimori.governance.secondary_use import ReviewSecondaryUse, SecondaryUse

    with governed(data, keys, config) as opened:
        who = signed_in(opened.places, account)
        with opened.governing.state() as state:
            acts = actor(who, state, now_us())
        change = opened.governing.perform(ReviewSecondaryUse(use, not refuse, note), acts)
        _show([value for value in change.values if isinstance(value, SecondaryUse)], json=json)


def _show(found: list[SecondaryUse], *, json: bool) -> None:
    from sekimori.governance.state import plain

    rows: list[dict[str, Any]] = [plain(each) for each in found]
    if json:
        for row in rows:
            print_json(row)
        return
    print_table(_COLUMNS, rows)
    for row in rows:
        print(escape(f"{row['id']}: sekimori log show {row['exchange']}"))
