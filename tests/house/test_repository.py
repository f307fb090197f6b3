"""What holds of the repository as a whole, whoever changed it last."""

import ast
import json
import re
import subprocess
import tomllib
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE_ROOTS = ("proxy", "addons", "storage", "console")
REQUIREMENTS = sorted((ROOT / "requirements").glob("*.txt"))
PINNED = "mitmproxy==12.2.3"

# A path of the machine that somebody worked on.
MACHINE_PATH = re.compile(r"(?<![\w./~-])/(?:work|root|home|Users|tmp)/\w")
REGISTRY = re.compile(
    r"pypi\.org|pythonhosted\.org|npmjs\.(?:org|com)|(?:docker|ghcr|quay)\.io/|artifactory|/simple\b"
)
UNFINISHED = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")
# Names of hosts that must tunnel, for a test; this file, which has to say what it looks for.
EXEMPT = {"tests/catalogue/everyday_hosts.txt", "tests/house/test_repository.py"}


def files():
    """Every file that is, or is about to be, in the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode != 0:
        pytest.skip("this is no git checkout")
    return sorted({ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()})


def lines():
    """Every line of every text file, with where it stands."""
    for path in files():
        name = str(path.relative_to(ROOT))
        if name in EXEMPT:
            continue
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        yield from ((f"{name}:{number}", line) for number, line in enumerate(text.splitlines(), start=1))


def matching(pattern, *, beside=()):
    return [
        f"{where}: {line.strip()[:120]}" for where, line in lines() if pattern.search(line) and not beside
    ]


def rooms():
    return [
        folder
        for root in SOURCE_ROOTS
        for folder in sorted((ROOT / root / "sekimori").iterdir())
        if folder.is_dir() and any(folder.glob("*.py"))
    ]


# --- dependencies ------------------------------------------------------------------------------


@pytest.mark.parametrize("file", [pytest.param(path, id=path.name) for path in REQUIREMENTS])
def test_a_requirement_file_names_no_index_and_no_host(file):
    text = file.read_text("utf-8")
    assert "://" not in text
    assert not re.search(
        r"^\s*(?:-i|-f|--index-url|--extra-index-url|--find-links|--trusted-host)\b", text, re.MULTILINE
    )


@pytest.mark.req("UPD-P5-2")
@pytest.mark.parametrize("file", [pytest.param(path, id=path.name) for path in REQUIREMENTS])
def test_every_required_package_has_one_version_and_its_hashes(file):
    wanted = re.split(r"\n(?=\S)", re.sub(r"^\s*#.*\n?", "", file.read_text("utf-8"), flags=re.MULTILINE))
    assert wanted
    for entry in filter(str.strip, wanted):
        assert re.match(r"[A-Za-z0-9._-]+(?:\[[\w,-]+\])?==\S+", entry), entry[:80]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry[:80]


def test_the_lock_of_the_installer_is_not_kept():
    assert not [path for path in files() if path.name in {"uv.lock", "poetry.lock", "Pipfile.lock"}]


def test_mitmproxy_is_pinned_wherever_it_is_named():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert PINNED in project["project"]["dependencies"]
    for name in ("runtime.txt", "dev.txt"):
        assert re.search(
            rf"^{re.escape(PINNED)}\b", (ROOT / "requirements" / name).read_text("utf-8"), re.MULTILINE
        )
    patches = (ROOT / "proxy/sekimori/gate/patches.py").read_text("utf-8")
    assert f'PINNED = "{PINNED.partition("==")[2]}"' in patches


def test_everything_that_runs_is_locked_alike_for_development():
    def locked(name):
        return dict(
            re.findall(
                r"^([\w.-]+)(?:\[[\w,-]+\])?==(\S+)",
                (ROOT / "requirements" / name).read_text("utf-8"),
                re.MULTILINE,
            )
        )

    runtime, dev = locked("runtime.txt"), locked("dev.txt")
    assert {name: dev.get(name) for name in runtime} == runtime


# --- papers ------------------------------------------------------------------------------------


def test_the_licence_is_apache_2():
    assert "Apache License" in (ROOT / "LICENSE").read_text("utf-8")[:400]
    assert "Version 2.0, January 2004" in (ROOT / "LICENSE").read_text("utf-8")[:400]
    assert tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["license"] == "Apache-2.0"
    assert (ROOT / "NOTICE").is_file()


@pytest.mark.parametrize("name", ["README.md", "README.ja.md"])
@pytest.mark.parametrize("command", ["make run", "make demo"])
def test_both_readmes_name_the_two_commands(name, command):
    assert command in (ROOT / name).read_text("utf-8")


def test_the_changelog_has_a_place_for_what_comes_next():
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text("utf-8")


# --- the house ---------------------------------------------------------------------------------


@pytest.mark.parametrize("room", [pytest.param(room, id=room.name) for room in rooms()])
def test_every_room_says_what_it_is_for(room):
    module = room / "__init__.py"
    assert module.is_file()
    assert ast.get_docstring(ast.parse(module.read_text("utf-8")))


def test_every_module_says_what_it_knows():
    modules = [path for room in rooms() for path in room.rglob("*.py") if "versions" not in path.parts]
    assert not [
        str(path.relative_to(ROOT))
        for path in modules
        if not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ]


def test_the_source_roots_share_one_package_without_an_init_file():
    assert not [root for root in SOURCE_ROOTS if (ROOT / root / "sekimori" / "__init__.py").exists()]
    names = [room.name for room in rooms()]
    assert len(names) == len(set(names))


def test_no_two_test_files_have_the_same_name():
    counted = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert not [name for name, count in counted.items() if count > 1]


def test_every_test_stands_in_a_file_that_is_looked_into():
    hidden = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests").rglob("*.py")
        if not path.name.startswith("test_")
        and re.search(r"^(?:async )?def test_", path.read_text("utf-8"), re.MULTILINE)
    ]
    assert not hidden


def test_every_requirement_that_a_test_names_is_a_row():
    rows = {row["id"] for row in json.loads((ROOT / "docs/requirements/rows.json").read_text("utf-8"))}
    named = {
        argument.value
        for path in (ROOT / "tests").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.req"
        for argument in node.args
        if isinstance(argument, ast.Constant)
    }
    assert named
    assert named - rows == set()


# --- what must not stand in a file -------------------------------------------------------------


def test_no_file_names_a_path_of_the_machine_it_was_written_on():
    assert not matching(MACHINE_PATH)


def test_no_file_names_a_package_registry():
    assert not matching(REGISTRY)


def test_nothing_was_left_for_later_without_saying_when():
    assert not matching(UNFINISHED)


def test_no_private_key_is_kept():
    assert not matching(re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\s*$"))


def test_programs_may_be_run_and_texts_may_not():
    for path in files():
        head = path.read_bytes()[:2]
        assert (head == b"#!") == bool(path.stat().st_mode & 0o111), path.relative_to(ROOT)
