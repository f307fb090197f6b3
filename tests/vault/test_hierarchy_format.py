"""The worked example of docs/formats/keys.md is what the code writes and reads."""

import os
import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sekimori.vault.aead import seal
from sekimori.vault.datakey import DataKey, epoch_of
from sekimori.vault.hierarchy import CACHED_KEYS
from sekimori.vault.kek import place_of
from sekimori.vault.keyfile import key_to_text
from sekimori.vault.living import LivingKeys
from sekimori.vault.outputs import output_row
from sekimori.vault.providers.file import FileKek
from sekimori.vault.providers.passphrase import DEFAULT_COST
from sekimori.vault.records import RecordCipher
from sekimori.vault.slots import DataKeyRow, EpochRow, RecordKeyRow, Slot

PAGE = (Path(__file__).parents[2] / "docs/formats/keys.md").read_text()
KEK, SECRET, KEY, RECORD_KEY = (bytes(range(start, start + 32)) for start in (0, 0x20, 0x40, 0x60))
ID = bytes(range(0xA0, 0xB0))
RID = "01J9Z8Q4T2K7M5N3P6R8"
SLOT = Slot("hanako@example.lg.jp", "1", "2026-04")
ANSWER = "予算は 承認された。"


def example(name: str) -> bytes:
    """Return the bytes of one block of the page."""
    (block,) = re.findall(rf"```hex {name}\n(.*?)```", PAGE, re.DOTALL)
    return bytes.fromhex(block)


def counted(count: int) -> bytes:
    return bytes(range(0x50, 0x50 + count))


EPOCH_ROW = EpochRow(1, "file", example("wrapped"))
DATA_ROW = DataKeyRow(ID, 1, example("tag"), example("data-key"))


def test_the_example_is_read_as_the_page_says(tmp_path):
    folder = tmp_path / "kek"
    folder.mkdir(mode=0o700)
    (folder / "epoch-000001.key").touch(0o600)
    (folder / "epoch-000001.key").write_bytes(key_to_text("kek-000001", KEK))
    secret = FileKek(folder).unwrap(1, example("wrapped"))
    assert secret == SECRET
    key = epoch_of(EPOCH_ROW, secret).open(DATA_ROW)
    assert (key.key, key.slot, key.generation) == (KEY, SLOT, 0)
    record_key = key.unwrap(RecordKeyRow(RID, "", ID, example("record-key")))
    assert record_key == RECORD_KEY
    assert RecordCipher(record_key).open(example("content"), b"example").decode() == "月見草"
    (folder / "living.keys").write_bytes(example("living"))
    living = LivingKeys(folder / "living.keys")
    assert living.epoch() == EPOCH_ROW
    assert list(living.read(epoch_of(EPOCH_ROW, secret))) == [DATA_ROW]


def test_the_example_is_what_the_writer_writes(tmp_path):
    assert seal(AESGCM(KEK), SECRET, place_of(1), counted) == example("wrapped")
    epoch = epoch_of(EPOCH_ROW, SECRET)
    key = DataKey(ID, SLOT, KEY)
    assert epoch.seal(key, counted) == DATA_ROW
    assert key.wrap(RID, "", RECORD_KEY, counted).sealed == example("record-key")
    assert RecordCipher(RECORD_KEY, random=counted).seal("月見草".encode(), b"example") == example("content")
    row = output_row(key, RECORD_KEY, RID, ANSWER, random=os.urandom)
    assert row is not None
    assert row.tag == example("output-tag")
    LivingKeys(tmp_path / "keys" / "living.keys").write(epoch, [EPOCH_ROW, DATA_ROW])
    assert (tmp_path / "keys" / "living.keys").read_bytes() == example("living")


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param("m={},t={},p={}".format(*DEFAULT_COST), id="what a passphrase costs"),
        pytest.param(f"{CACHED_KEYS:,} opened data keys", id="the cache"),
    ],
)
def test_the_page_names_the_constants_of_the_code(claim):
    assert claim in PAGE
