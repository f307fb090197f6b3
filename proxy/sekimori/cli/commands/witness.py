"""``sekimori witness``: remember for another machine how far its record got, on a host of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sekimori.cli.options import Json
from sekimori.errors import UsageError

group = typer.Typer(invoke_without_command=True)

DEFAULT_FOLDER = Path("./sekimori-witness")

Folder = Annotated[Path, typer.Option("--folder", help="The witness's key and memory.")]


@group.callback()
def serve(
    ctx: typer.Context,
    folder: Folder = DEFAULT_FOLDER,
    listen: Annotated[str, typer.Option(help="Where logs ask.")] = "127.0.0.1:8085",
    tls_cert: Annotated[Path | None, typer.Option(help="The certificate chain, PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key, PEM.")] = None,
    allow_plain_listener: Annotated[
        bool, typer.Option(help="Listen beyond loopback without TLS, for what stands in front of it.")
    ] = False,
) -> None:
    """Remember for another machine how far its record got: a witness, on a host of its own.

    Without a command it answers the logs that were added, until told to stop.

    \b
    Example:
      sekimori witness init witness.example/w1
      sekimori witness add-log log.vkey
      sekimori witness --listen 0.0.0.0:8085 --tls-cert cert.pem --tls-key key.pem
    """
    if ctx.invoked_subcommand is not None:
        if folder != DEFAULT_FOLDER:
            raise UsageError(f"Write --folder behind {ctx.invoked_subcommand}.")
        return
    from sekimori.cli.witnessing import Listening, run

    run(folder, Listening.of(listen, tls_cert, tls_key, plain=allow_plain_listener))


@group.command("init")
def init(
    name: Annotated[str, typer.Argument(help="What the witness is called, as witness.example/w1.")],
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Make a witness: its folder, its key and an empty memory. Prints its verifier key.

    \b
    Example:
      sekimori witness init witness.example/w1 --folder /var/lib/sekimori-witness
    """
    from sekimori.cli.witnessing import make

    typer.echo(make(folder, name).vkey)


@group.command("key")
def key(folder: Folder = DEFAULT_FOLDER) -> None:
    """Print the witness's verifier key, as `vkey` under [[ledger.witnesses]] takes it.

    \b
    Example:
      sekimori witness key
    """
    from sekimori.cli.witnessing import verifier

    typer.echo(verifier(folder).vkey)


@group.command("add-log")
def add_log(
    log: Annotated[
        str, typer.Argument(help="A log's verifier key, or the file with it (log.vkey, log.pub).")
    ],
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Accept a log from now on; a witness that runs need not be started again.

    \b
    Example:
      sekimori witness add-log log.vkey
    """
    from sekimori.cli.witnessing import add

    typer.echo(add(folder, log).name)


@group.command("logs")
def logs(folder: Folder = DEFAULT_FOLDER, as_json: Json = False) -> None:
    """List the logs, each with the size that was cosigned last and when.

    \b
    Example:
      sekimori witness logs
    """
    from sekimori.cli.witnessing import listed

    for line in listed(folder, as_json=as_json):
        typer.echo(line)
