"""The operator's page says what the program does: its keys, its defaults, its codes, its files."""

import re
import tomllib
from pathlib import Path

import pytest

from sekimori.cli.config import Config
from sekimori.cli.config_section import Section
from sekimori.policy.reasons import Reason, explain

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operating.md").read_text("utf-8")


def documented():
    """Each key with the default that the page gives it, as TOML."""
    return dict(re.findall(r"^\| `([a-z0-9_.]+)` \| `([^`]*)` \| ", PAGE, re.MULTILINE))


def configured(section=Config, under=""):
    for name, field in section.model_fields.items():
        if isinstance(field.default, Section):
            yield from configured(type(field.default), f"{under}{name}.")
        else:
            yield f"{under}{name}"


def reason_row(reason):
    text = explain(reason)
    status = text.status if reason.value.startswith("DENY_") else "–"
    return f"| `{reason.value}` | {status} | {text.en} | {text.action_en} |"


def test_every_key_is_explained_and_no_other():
    assert set(documented()) == set(configured())


def test_the_defaults_on_the_page_are_those_of_the_program():
    text = "\n".join(f"{key} = {default}" for key, default in documented().items())
    assert Config.model_validate(tomllib.loads(text)) == Config()


@pytest.mark.parametrize("reason", [pytest.param(reason, id=reason.value) for reason in Reason])
def test_every_reason_stands_in_the_table_as_people_read_it(reason):
    assert reason_row(reason) in PAGE.splitlines(), f"the row should be: {reason_row(reason)}"


def test_no_reason_stands_in_the_table_that_there_is_not():
    rows = re.findall(r"^\| `((?:DENY|HOLD|MASK|WARN)_[A-Z0-9_]+)` \|", PAGE, re.MULTILINE)
    assert sorted(rows) == sorted(reason.value for reason in Reason)


def test_every_file_that_the_page_names_is_there():
    named = re.findall(r"`((?:deploy|dashboards|docs|requirements)/[\w./*-]+)`", PAGE)
    assert named
    assert not [name for name in named if not any(ROOT.glob(name.rstrip("/")))]


def test_every_link_within_the_page_leads_somewhere():
    targets = {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= targets


def test_every_command_that_the_page_names_exists():
    from typer.main import get_command

    from sekimori.cli.main import build

    known = set(vars(get_command(build()))["commands"])
    named = set(re.findall(r"\bsekimori ([a-z]+)\b(?=[ `])", PAGE))
    assert named - known - {"COMMAND"} == set()
