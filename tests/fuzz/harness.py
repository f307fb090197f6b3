"""The readers under atheris, which looks for inputs that reach code no input has reached: ``make fuzz``.

python tests/fuzz/harness.py [FOLDER...] -max_total_time=600 -max_len=65536 -timeout=10 -rss_limit_mb=1024
"""

from __future__ import annotations

import json
import random
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]

sys.path.append(str(Path(__file__).parents[1]))

with atheris.instrument_imports(include=["sekimori.wire"]):
    from fuzz import target
from support.vocabulary import vocabulary

_SEEDS = 400
_PLAIN = re.compile(r"[A-Za-z0-9_.:/$-]{2,}")  # what a dictionary of libFuzzer takes without escapes


def main() -> None:
    """Write what the fuzzer starts from, and let it run."""
    with tempfile.TemporaryDirectory(prefix="sekimori-fuzz-") as folder:
        words = Path(folder) / "words"
        plain = (word for word in vocabulary() if _PLAIN.fullmatch(word))
        words.write_text("".join(f'"{word}"\n' for word in plain))
        (seeds := Path(folder) / "seeds").mkdir()
        for number, seed in enumerate(_seeds(random.Random(1))):
            (seeds / str(number)).write_bytes(seed)
        atheris.Setup([*sys.argv, str(seeds), f"-dict={words}"], target.check)
        atheris.Fuzz()


def _seeds(chance: random.Random) -> list[bytes]:
    """Make inputs of every path and dialect from the words that the readers look for."""
    return [
        bytes([number % 256, chance.randrange(256), 0, chance.randrange(256)]) + _body(chance)
        for number in range(_SEEDS)
    ]


def _body(chance: random.Random) -> bytes:
    values = [json.dumps(_value(chance, 4), ensure_ascii=False).encode() for _ in range(chance.randint(1, 4))]
    if len(values) == 1:
        return values[0]
    return (
        b"".join(b"data: " + value + b"\n\n" for value in values)
        if chance.random() < 0.5
        else b"\n".join(values)
    )


def _value(chance: random.Random, depth: int) -> Any:
    kind = chance.random()
    if depth == 0 or kind < 0.3:
        return chance.choice([chance.choice(vocabulary()), "a b", "日本", 0, 1, True, None, ""])
    if kind < 0.5:
        return [_value(chance, depth - 1) for _ in range(chance.randint(0, 3))]
    return {chance.choice(vocabulary()): _value(chance, depth - 1) for _ in range(chance.randint(1, 6))}


if __name__ == "__main__":
    main()
