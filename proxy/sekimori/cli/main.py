"""The ``sekimori`` program: every command's name, options and help.

What a command does is imported when it runs, so that ``--help`` is quick.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from sekimori.cli.command_map import EXIT_CODES, PURPOSE, write_map
from sekimori.cli.commands import (
    apply,
    bench,
    ca,
    catalogue,
    compliance,
    erase,
    explain,
    form,
    govern,
    hold,
    key,
    keys,
    ledger,
    log,
    notice,
    policy,
    prove,
    register,
    retention,
    review,
    roles,
    secondary_use,
    up,
    usage,
    users,
    verify,
    verify_output,
    wire,
    witness,
)
from sekimori.cli.terminal import say
from sekimori.errors import SekimoriError, UnknownError, where

_NO, _WRONG = 1, 2
_WIDEST = 100


class _Sentences(TyperGroup):
    """Turns what a person has to act on into one sentence on standard error and exit code 2.

    A record that there is none of is no mistake but an answer, and ends with 1.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except SekimoriError as error:
            say(str(error))
            raise typer.Exit(_NO if isinstance(error, UnknownError) else _WRONG) from error

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 (click calls it so)
        """Write the map of the commands."""
        write_map(self.commands, formatter)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"sekimori {version('sekimori')}")
        raise typer.Exit


def build() -> typer.Typer:
    """Compose the program."""
    app = typer.Typer(
        name="sekimori",
        cls=_Sentences,
        help=PURPOSE,
        epilog=EXIT_CODES,
        context_settings={"max_content_width": _WIDEST},
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(_options)
    app.command("up")(up.up)
    app.command("init")(up.init)
    app.command("gate")(roles.gate)
    app.command("archive")(roles.archive)
    app.command("console")(roles.console)
    app.command("apply")(apply.apply)
    app.command("check")(apply.check)
    app.command("explain")(explain.explain)
    app.command("verify")(verify.verify)
    app.command("verify-output")(verify_output.verify_output)
    app.command("prove")(prove.prove)
    app.command("erase")(erase.erase)
    app.command("bench")(bench.bench)
    for name, group in (
        ("user", users.group),
        ("log", log.group),
        ("policy", policy.group),
        ("ledger", ledger.group),
        ("hold", hold.group),
        ("retention", retention.group),
        ("key", key.group),
        ("keys", keys.group),
        ("form", form.group),
        ("govern", govern.group),
        ("register", register.group),
        ("usage", usage.group),
        ("review", review.group),
        ("secondary-use", secondary_use.group),
        ("notice", notice.group),
        ("compliance", compliance.group),
        ("catalogue", catalogue.group),
        ("ca", ca.group),
        ("wire", wire.group),
        ("witness", witness.group),
    ):
        app.add_typer(group, name=name, rich_help_panel=None)
    return app


def _options(
    show: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_show_version, help="Print the version and end."),
    ] = False,
) -> None:
    """Take what stands before any command."""


def main() -> None:
    """Run the program; the entry point of the package."""
    # Names in other scripts are data here; a terminal that cannot show one must not end the command.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        build()()
    except Exception as error:  # noqa: BLE001 (the last resort of a command; exit 1 would say that the answer is no)
        say(f"Sekimori failed by a fault of its own. Report where: {where(error)}")
        raise SystemExit(_WRONG) from None
