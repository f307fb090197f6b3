"""The support matrix, ``docs/wire-support.md``: written from the registry and from what the tests prove.

python docs/wire/matrix.py             writes the page
python docs/wire/matrix.py --check     exits with 1 where the page is not up to date
python docs/wire/matrix.py --recorded  counts the recorded exchanges anew first, where they are at hand

What a dialect is, is the first sentence of its module. The tests are read by their syntax alone: which of
them name a dialect, and which SDKs agree with us about it (``ORACLES``). How recorded traffic was read is
kept in ``recorded.json``, because the recordings are not part of this project.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import itertools
import json
import pkgutil
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import sekimori.wire.dialects
import sekimori.wire.sockets
from sekimori.cli.recordings import Frame
from sekimori.cli.session import summary_of_session
from sekimori.wire.dialects import DIALECTS
from sekimori.wire.model import Head
from sekimori.wire.sockets import SOCKETS
from sekimori.wire.target import read_target

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "wire-support.md"
RECORDED = Path(__file__).with_name("recorded.json")
TESTS = ROOT / "tests" / "wire"
SOCKET = "socket:"
_PATH = re.compile(r"/[!-~]{1,200}")
OUTCOMES = ("parsed", "partial", "unparsed")

HEAD = """\
<!-- Written by docs/wire/matrix.py; do not edit. -->
# Which wire formats are read

Formats are recognised by their shape (the end of the path, the members of the body), never by host: a server
that speaks one of them is read wherever it stands. How reading works, and how to add a format, is in
[wire.md](wire.md). What no row covers still passes or is refused by policy, and is recorded as `unparsed`.

- **operations**: the kinds that its source, paths in the tests, or the recorded traffic show.
- **tests**: the files of `tests/wire` that name the dialect; these need nothing but the repository.
- **agrees**: the vendors' own SDKs that read recorded answers exactly as we do: texts, tool calls, tokens.
- **recorded**: successful (2xx) exchanges of real services that read as this dialect, and how many of them
  were read `parsed` in both directions. Where nothing is recorded the format is known from its documentation
  or from client code, and is proven by the tests alone.

"""


def modules(package: Any) -> dict[str, str]:
    """Map the name of each dialect in a package to the first sentence of its module."""
    found = {}
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        if (dialect := getattr(module, "DIALECT", None)) is not None:
            found[dialect.name] = " ".join((module.__doc__ or "").split("\n\n")[0].split())
    return found


def named_in_tests(names: Iterable[str]) -> dict[str, list[str]]:
    """Map each dialect to the test files that name it, without those that compare with SDKs."""
    known, found = frozenset(names), defaultdict[str, list[str]](list)
    for path, tree in _tests(oracles=False):
        told = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)} & known
        for name in told:
            found[str(name)].append(path.stem.removeprefix("test_"))
    return found


def operations() -> dict[str, set[str]]:
    """Map each dialect to its operations: those in its source, and those of the paths in the tests."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    modules_of = {
        module.DIALECT.name: name
        for name, module in sys.modules.items()
        if name.startswith(f"{sekimori.wire.dialects.__name__}.") and hasattr(module, "DIALECT")
    }
    for dialect in DIALECTS:
        source = inspect.getsource(sys.modules[modules_of[dialect.name]])
        found[dialect.name].update(re.findall(r"\bRoute\(\"([a-z-]+)\"", source))
    texts = {
        node.value
        for _, tree in _tests(oracles=False)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _PATH.fullmatch(node.value)
    }
    for text, method in itertools.product(sorted(texts), ("GET", "POST", "DELETE")):
        target = read_target(Head(method, "h.test", text))
        for dialect in () if target.odd else DIALECTS:
            if (route := dialect.route(method, target)) is not None:
                found[dialect.name].add(route.kind)
                break
    return found


def oracles() -> dict[str, list[str]]:
    """Map each dialect to the SDKs that its answers are compared with."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for _, tree in _tests(oracles=True):
        for node in tree.body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "ORACLES":
                for sdk, dialects in ast.literal_eval(node.value).items():
                    for dialect in dialects:
                        found[dialect].append(sdk)
    return found


def _tests(*, oracles: bool) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(TESTS.glob("test_*.py")):
        if path.stem.startswith("test_oracle_") is oracles:
            yield path, ast.parse(path.read_text("utf-8"), str(path))


def count_recorded() -> dict[str, dict[str, Any]]:
    """Read all recorded exchanges: by dialect, how many successful ones were read how far, and as what."""
    sys.path.append(str(ROOT / "tests"))
    support = importlib.import_module("support.traffic")
    found: dict[str, dict[str, Any]] = {}
    for recording in support.every_recording():
        if recording.kind == "http" and recording.succeeded:
            request, response = recording.read()
            worst = max(request.parse, response.parse, key=OUTCOMES.index)
            _count(found, request.dialect or "none", request.kind, worst)
        elif recording.frames:
            told = _session(recording)
            _count(found, f"{SOCKET}{told['dialect'] or 'none'}", told["kind"], told["parse"])
    return {name: found[name] for name in sorted(found)}


def _session(recording: Any) -> dict[str, Any]:
    frames = [Frame(way, "text" if text else "binary", payload) for way, text, payload in recording.frames]
    return summary_of_session(recording.id, recording.head, frames)


def _count(found: dict[str, dict[str, Any]], dialect: str, kind: str, parse: str) -> None:
    held = found.setdefault(dialect, {"kinds": [], **dict.fromkeys(OUTCOMES, 0)})
    held[parse] += 1
    held["kinds"] = sorted({*held["kinds"], kind})


def rows(
    dialects: Iterable[str], about: dict[str, str], recorded: dict[str, dict[str, Any]], kind: str = ""
) -> Iterator[str]:
    """Yield the lines of a table."""
    tests, agree, kinds = named_in_tests(about), oracles(), operations()
    yield "| dialect | what it is | operations | tests | agrees | recorded |"
    yield "|---|---|---|---|---|---|"
    for name in sorted(dialects):
        held = recorded.get(name, {})
        total = sum(held.get(outcome, 0) for outcome in OUTCOMES)
        cells = (
            f"`{name}`",
            re.sub(r"``", "`", about[name]),
            ", ".join(sorted({*held.get("kinds", ()), *kinds.get(name, ())})) or kind or "–",
            ", ".join(tests.get(name, ())) or "–",
            ", ".join(sorted(agree.get(name, ()))) or "–",
            f"{held.get('parsed', 0)} of {total}" if total else "–",
        )
        yield f"| {' | '.join(cells)} |"


def page() -> str:
    """Write the page."""
    recorded = json.loads(RECORDED.read_text("utf-8"))
    http = rows((one.name for one in DIALECTS), modules(sekimori.wire.dialects), recorded)
    sessions = {name.removeprefix(SOCKET): held for name, held in recorded.items() if name.startswith(SOCKET)}
    sockets = rows((one.name for one in SOCKETS), modules(sekimori.wire.sockets), sessions, "realtime")
    return "\n".join(
        (HEAD + "## Over HTTP\n", *http, "\n## Over WebSockets\n", *sockets, ""),
    )


def main() -> int:
    """Write or check the page."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--check", action="store_true")
    options.add_argument("--recorded", action="store_true")
    asked = options.parse_args()
    if asked.recorded:
        RECORDED.write_text(json.dumps(count_recorded(), indent=1) + "\n", encoding="utf-8")
    written = page()
    if asked.check:
        return int(not PAGE.is_file() or PAGE.read_text("utf-8") != written)
    PAGE.write_text(written, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
