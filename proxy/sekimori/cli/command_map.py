"""What stands where in ``sekimori --help``: the commands by what somebody wants to do, in the order of need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

PURPOSE = """The barrier keeper: approved generative AI passes and is recorded, the rest is stopped.

\b
First:  sekimori up                 starts everything, says what to do next
Then:   sekimori apply policy.yaml  lets in what was approved
        sekimori user add yamada    lets people use it
        sekimori log list           shows what passed, what was stopped, why
"""

EXIT_CODES = """\b
Exit codes: 0 done, or yes; 1 the answer is no; 2 wrong use or input, or
not in order. What went wrong and what to do is said on standard error.
Folders: --data, --keys, or SEKIMORI_DATA, SEKIMORI_KEYS. Settings: --config.
"""

SECTIONS: dict[str, dict[str, str]] = {
    "Start and serve": {
        "up": "Start everything: gate, record, web pages, metrics.",
        "init": "Make keys, CA, database and administrator, and end.",
        "gate": "Run the gate workers alone.",
        "archive": "Run the archivist and the publisher alone.",
        "console": "Run the web pages alone.",
        "ca": "The certificate that clients must trust.",
    },
    "Let in, and say why not": {
        "apply": "Record what was approved: services, groups, grants.",
        "check": "Check such a file without applying it.",
        "explain": "Show what the gate would decide, and why.",
        "policy": "What is in force; what a change would mean.",
        "user": "Accounts: who may use the proxy and the web pages.",
        "key": "Keys of agents and applications.",
        "catalogue": "The AI services that Sekimori knows.",
    },
    "See what happened": {
        "log": "The record of every decision and exchange.",
        "usage": "What was used, by how many, how much.",
        "wire": "How much of what passed could be read.",
        "verify-output": "Whether a text came from an AI service.",
    },
    "Govern (ガバナンス)": {
        "govern": "Applications, approvals, suspensions, and all else.",
        "form": "The usage plan (利用計画書) on paper.",
        "register": "The register of approved services (台帳).",
        "review": "Review sheets: prepared, signed, escalated.",
        "notice": "Notices to staff (周知).",
        "secondary-use": "Outputs that are used again (二次利用).",
        "compliance": "The state of the agreement's rows (遵守状況).",
    },
    "Prove that nothing was altered": {
        "verify": "Check everything that is stored.",
        "prove": "Prove one record to somebody else.",
        "ledger": "The transparency log: export, checkpoints, forks.",
        "witness": "Remember for another machine how far its record got.",
    },
    "Keep and erase": {
        "retention": "How long what is kept, and the end of it.",
        "hold": "Legal holds: what may not be erased.",
        "erase": "Take a person, months or records out of everything.",
        "keys": "The keys that wrap all others, and their epochs.",
    },
    "Measure": {"bench": "Measure against a bare mitmdump of the same version."},
}
"""Heading, then every command with what it is for; a test holds the program against it."""

_OTHERS = "Others"


def write_map(commands: Mapping[str, Any], formatter: Any) -> None:
    """Write the commands under their headings; what has none comes last."""
    placed = {name for section in SECTIONS.values() for name in section}
    others = {
        name: each.get_short_help_str()
        for name, each in commands.items()
        if name not in placed and not each.hidden
    }
    width = max(map(len, commands), default=0)
    formatter.write_paragraph()
    for heading, section in {**SECTIONS, _OTHERS: others}.items():
        rows = [f"  {name:{width}}  {said}\n" for name, said in section.items() if name in commands]
        if rows:
            formatter.write(f"{heading}:\n")
            formatter.write("".join(rows))


def command_group(purpose: str, *examples: str, **options: Any) -> typer.Typer:
    """Make a group of commands whose help says what it is for and shows how it is used."""
    shown = "\n".join(f"  {example}" for example in examples)
    help_ = f"{purpose}\n\n\b\nExample{'s' if examples[1:] else ''}:\n{shown}\n"
    return typer.Typer(help=help_, no_args_is_help=True, **options)
