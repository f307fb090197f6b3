"""The ``sekimori`` program: every command's name, options and help.

What a command does is imported when it runs, so that ``--help`` is quick.
"""

from __future__ import annotations

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from sekimori.cli.commands import apply, bench, ca, catalogue, explain, log, roles, up, users, verify, wire
from sekimori.cli.terminal import say
from sekimori.errors import SekimoriError

_WRONG = 2


class _Sentences(TyperGroup):
    """Turns what a person has to act on into one sentence on standard error and exit code 2."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except SekimoriError as error:
            say(str(error))
            raise typer.Exit(_WRONG) from error


def build() -> typer.Typer:
    """Compose the program."""
    app = typer.Typer(
        name="sekimori",
        cls=_Sentences,
        help="The barrier keeper: approved generative AI passes and is recorded, the rest is stopped.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.command("up")(up.up)
    app.command("init")(up.init)
    app.command("gate")(roles.gate)
    app.command("archive")(roles.archive)
    app.command("console")(roles.console)
    app.command("apply")(apply.apply)
    app.command("check")(apply.check)
    app.command("explain")(explain.explain)
    app.command("verify")(verify.verify)
    app.command("bench")(bench.bench)
    for name, group in (
        ("user", users.group),
        ("log", log.group),
        ("catalogue", catalogue.group),
        ("ca", ca.group),
        ("wire", wire.group),
    ):
        app.add_typer(group, name=name, rich_help_panel=None)
    return app


def main() -> None:
    """Run the program; the entry point of the package."""
    # Names in other scripts are data here; a terminal that cannot show one must not end the command.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    build()()
