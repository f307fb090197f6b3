"""The page about governance is drawn from the tables."""

import importlib.util
from pathlib import Path

from sekimori.governance import commands, using
from sekimori.governance.refusals import REFUSALS
from sekimori.governance.rules import profiles

DOCS = Path(__file__).parents[2] / "docs"


def diagrams():
    spec = importlib.util.spec_from_file_location("diagrams", DOCS / "diagrams.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_diagrams_are_those_of_the_tables():
    page = (DOCS / "governance.md").read_text("utf-8")
    assert diagrams().redrawn(page) == page


def test_every_table_is_on_the_page():
    assert set(diagrams().TITLES) == set(commands.MACHINES | using.MACHINES)


def test_every_code_that_the_page_names_is_one():
    page = (DOCS / "governance.md").read_text("utf-8")
    told = page.split("## What nobody can do")[1].split("Names are compared")[0]
    codes = {
        code.strip("` ")
        for line in told.splitlines()
        for code in line.split("|")[-2:-1]
        for code in code.split(",")
    }
    assert {code for code in codes if "-" in code and " " not in code and not code.startswith("-")} <= set(
        REFUSALS
    )


def test_the_page_says_what_the_profiles_say():
    page = (DOCS / "governance.md").read_text("utf-8")
    assert all(f"`{profile}`" in page for profile in profiles())
