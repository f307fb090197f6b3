"""``sekimori prove``: one record's proof, and with a reason what was said, against its commitment."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

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
from sekimori.cli.terminal import print_json
from sekimori.errors import UsageError

if TYPE_CHECKING:
    from sekimori.cli.config import Config
    from sekimori.cli.places import Places
    from sekimori.store.exporting.disclosing import Disclosed
    from sekimori.store.exporting.exported import Auditing
    from sekimori.store.exporting.proving import Proofs

_PRIVATE = 0o600


def prove(
    record_id: Annotated[str, typer.Argument(metavar="ID", help="A record, as log list names it.")],
    disclose: Annotated[
        str | None, typer.Option("--disclose", help="prompt or output: its bytes and its opening, too.")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why it is disclosed; it is recorded.")] = "",
    account: Annotated[
        str | None, typer.Option("--as", metavar="USER", help="Sign in; the password is asked for.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Write proof, README and all that checking needs into this new folder."),
    ] = None,
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """Prove that a record is in the ledger; with --disclose, that this is what was asked or answered.

    The proof tells nothing of the content. A disclosure does, needs a reason, and is itself a record. The folder
    has a README: what the proof shows, what it does not, and the commands to check it without Sekimori.

    \b
    Examples:
      sekimori prove 01J... --out ./proof
      sekimori prove 01J... --disclose prompt --reason "inquiry 2026-15" --out ./proof
    """
    from sekimori.cli.exporting import auditing, expect_apart
    from sekimori.store.exporting.disclosing import WHAT
    from sekimori.store.exporting.folder import expect_new
    from sekimori.store.exporting.proof_files import proof_files

    if disclose is not None and disclose not in WHAT:
        raise UsageError(f'--disclose "{disclose}" is none.', hint="Write prompt or output.")
    settings, places = configured(config), installation(data, keys, config)
    if out is not None:  # before anything is read, which is recorded
        expect_apart(places, out)
        expect_new(out)
    reader = None
    if disclose is not None:
        from sekimori.cli.reading import reader as reading

        reader = reading(places, settings, account=account, reason=reason)
    trusted = auditing(places, settings)
    proofs = _proofs(places, settings, trusted, record_id)
    disclosed = _disclosed(places, record_id, disclose, reader) if disclose and reader else []
    files = proof_files(record_id, proofs, trusted, disclosed, disclose or "")
    if out is not None:
        _write(out, files)
    if json:
        print_json(_fields(record_id, proofs, disclosed, files))
    else:
        _print(record_id, proofs, disclosed, disclose or "", out)


def _proofs(places: Places, config: Config, trusted: Auditing, rid: str) -> Proofs:
    from sekimori.cli.catch_up import catch_up
    from sekimori.cli.evidence import outside
    from sekimori.cli.opened import store
    from sekimori.store.engine import reading
    from sekimori.store.exporting.proving import prove as proofs_of

    catch_up(places)
    with store(places) as engine, reading(engine) as connection:
        return proofs_of(connection, outside(places, config), trusted, rid)


def _disclosed(places: Places, rid: str, what: str, reader: Any) -> list[Disclosed]:
    from sekimori.cli.opened import new_id, now_us, store, store_keys
    from sekimori.store.engine import reading
    from sekimori.store.exporting.disclosing import disclose
    from sekimori.store.holding import Holding
    from sekimori.store.reading_desk import DISCLOSURE, ReadingDesk

    keys = store_keys(places)
    with store(places) as engine:
        desk = ReadingDesk(engine, keys, clock=now_us, new_id=new_id)
        desk.record(reader, f"/log/{rid}", kind=DISCLOSURE)
        with reading(engine) as connection:
            return disclose(connection, Holding(connection, keys), rid, what)


def _write(folder: Path, files: dict[str, bytes]) -> None:
    from sekimori.store.exporting.folder import on_disk

    with on_disk(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "wb") as file:
                file.write(content)


def _fields(
    rid: str, proofs: Proofs, disclosed: Sequence[Disclosed], files: dict[str, bytes]
) -> dict[str, Any]:
    from sekimori.store.exporting.disclosing import command

    fields: dict[str, Any] = {
        "id": rid,
        "leaves": [
            {
                "tree": leaf.tree,
                "index": leaf.index,
                "envelope": leaf.envelope.decode(),
                "proof": leaf.proof.decode(),
            }
            for leaf in proofs.leaves
        ],
        "policy": proofs.policy.decode(),
        "proxy_pub": files["proxy.pub"].decode(),
    }
    if disclosed:
        fields["disclosed"] = [
            {
                "tree": one.tree,
                "index": one.index,
                "what": one.what,
                "bytes_base64": base64.b64encode(one.data).decode(),
                "text": one.data.decode("utf-8", "replace"),
                "opening": one.opening.hex(),
                "commitment": one.commitment.hex(),
                "command": command(one, "FILE"),
            }
            for one in disclosed
        ]
    return fields


def _print(rid: str, proofs: Proofs, disclosed: Sequence[Disclosed], what: str, out: Path | None) -> None:
    from sekimori.cli.terminal import escape, escape_lines
    from sekimori.store.exporting.disclosing import command, names_of

    print(f"Record {escape(rid)} has {len(proofs.leaves)} {'leaf' if len(proofs.leaves) == 1 else 'leaves'}.")
    for leaf in proofs.leaves:
        name = f"{leaf.tree}-{leaf.index}"
        print(f"\n{leaf.tree}, leaf {leaf.index}:\n{leaf.envelope.decode()}\n")
        print(f"  sigsum-verify -k proxy.pub -p policy {name}.proof < {name}.json")
    for name, one in zip(names_of(disclosed, what), disclosed, strict=True):
        print(f"\n{name}, committed to as {one.what} in {one.tree}, leaf {one.index}:")
        print(escape_lines(one.data.decode("utf-8", "replace")))
        print(f"\n  {command(one, name)}\n  must print {one.commitment.hex()}")
    if out is None:
        print("\nThe files that these commands name are written with --out DIR.")
