"""The reader of workbooks under atheris: ``make fuzz``.

python tests/fuzz/workbook_harness.py [FOLDER...] -max_total_time=300 -max_len=16384 -timeout=10
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]

sys.path.append(str(Path(__file__).parents[1]))

with atheris.instrument_imports(include=["sekimori.documents"]):
    from fuzz import workbook_target as target

WORDS = [
    "<row r=",
    "<c r=",
    "<c t=",
    "<v>",
    "</v>",
    "<is><t>",
    "<f>",
    "<si>",
    "<rPh>",
    "<sheet name=",
    "r:id=",
    "inlineStr",
    "A1",
    "XFD1048576",
    "date1904=",
    "TargetMode=",
    "External",
    "<!DOCTYPE",
    "<!ENTITY",
    "_x000D_",
]


def main() -> None:
    """Write what the fuzzer starts from, and let it run."""
    with tempfile.TemporaryDirectory(prefix="sekimori-fuzz-") as folder:
        words = Path(folder) / "words"
        words.write_text("".join(f'"{word}"\n' for word in WORDS))
        (seeds := Path(folder) / "seeds").mkdir()
        for number, seed in enumerate(_seeds()):
            (seeds / str(number)).write_bytes(seed)
        atheris.Setup([*sys.argv, str(seeds), f"-dict={words}"], target.check)
        atheris.Fuzz()


def _seeds() -> list[bytes]:
    """Begin with each part alone, all of them, and a package as it is."""
    alone = [bytes([1 << place]) + target.WHOLE.get(name, b"<x/>") for place, name in enumerate(target.PARTS)]
    every = b"\0".join(target.WHOLE.get(name, b"<x/>") for name in target.PARTS)
    return [*alone, bytes([0x3F]) + every, b"\xff" + target.packed(0, [])]


if __name__ == "__main__":
    main()
