"""From one data key to the hierarchy, on a real database file: everything readable, nothing left over."""

import os
import sqlite3
from contextlib import contextmanager

import pytest

from sekimori.errors import IntegrityError, KeyAccessError
from sekimori.vault.content import ContentCipher
from sekimori.vault.files import make_folder, write_secret
from sekimori.vault.hierarchy import KeyHierarchy
from sekimori.vault.keyfile import key_to_text
from sekimori.vault.living import LivingKeys
from sekimori.vault.migration import OldBlob, is_old, migrate
from sekimori.vault.providers.file import FileKek
from sekimori.vault.records import RecordCipher
from sekimori.vault.rotation import Erasure, Rotation
from sekimori.vault.slots import Slot
from support.keyrows import MemoryKeyRows

OLD_KEY = bytes(range(32))
PEOPLE = ("hanako", "taro")


class Table:
    """A table of sealed blobs in a file, and key rows that change with it."""

    def __init__(self, path):
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("CREATE TABLE blob (n INTEGER PRIMARY KEY, rid TEXT, person TEXT, sealed BLOB)")
        self.keys = MemoryKeyRows()
        self.fail_after = None

    @contextmanager
    def transaction(self):
        with self.keys.transaction():
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.db.execute("COMMIT")
            except BaseException:
                self.db.execute("ROLLBACK")
                raise

    def old_blobs(self, limit):
        rows = self.db.execute(
            "SELECT n, rid, person, sealed FROM blob WHERE substr(sealed, 1, 1) = x'01' ORDER BY n LIMIT ?",
            (limit,),
        )
        return [
            OldBlob("blob", n, rid, Slot(who, "1", "2026-04"), place(n), sealed)
            for n, rid, who, sealed in rows
        ]

    def replace(self, old, sealed):
        if self.fail_after is not None:
            self.fail_after -= 1
            if self.fail_after < 0:
                raise OSError("the disk is full")
        self.db.execute("UPDATE blob SET sealed = ? WHERE n = ?", (sealed, old.row))

    def scrub(self):
        self.db.execute("VACUUM")
        self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def place(n):
    return b"blob\0" + str(n).encode()


def text(n):
    return f"記録 {n}: 合言葉は月見草です。".encode() * 9


@pytest.fixture
def old(tmp_path):
    """A database as the gate issue left it: two entries a record, under one key."""
    make_folder(tmp_path / "archive")
    write_secret(tmp_path / "archive" / "data.key", key_to_text("data", OLD_KEY))
    table = Table(tmp_path / "sekimori.db")
    cipher = ContentCipher(OLD_KEY)
    table.db.execute("BEGIN")
    for n in range(450):
        sealed = cipher.seal(text(n), place(n))
        table.db.execute(
            "INSERT INTO blob VALUES (?, ?, ?, ?)", (n, f"r{n // 2}", PEOPLE[n // 2 % 2], sealed)
        )
    table.db.execute("COMMIT")
    keys = KeyHierarchy(table.keys, FileKek(tmp_path / "archive" / "kek"))
    keys.found()
    yield table, cipher, keys, tmp_path / "archive" / "data.key"
    table.db.close()


def readable(table, keys):
    """Return the numbers of the blobs that open."""
    found = set()
    for n, rid, sealed in table.db.execute("SELECT n, rid, sealed FROM blob"):
        key = keys.record_key(rid)
        if key is not None and RecordCipher(key).open(sealed, place(n)) == text(n):
            found.add(n)
    return found


@pytest.mark.req("ABG-CG5-1", "UPD-P2-4")
def test_everything_moves_and_no_file_keeps_an_old_copy(old, tmp_path):
    table, cipher, keys, old_key = old
    before = [sealed for (sealed,) in table.db.execute("SELECT sealed FROM blob")]
    assert migrate(table, cipher, keys, old_key) == 450
    assert readable(table, keys) == set(range(450))
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not old_key.exists()
    for trace in (OLD_KEY, OLD_KEY.hex().encode(), *(sealed[-40:] for sealed in before)):
        assert not any(trace in data for data in files)


def test_what_was_migrated_can_be_erased(old, tmp_path):
    table, cipher, keys, old_key = old
    migrate(table, cipher, keys, old_key)
    rotation = Rotation(keys, LivingKeys(tmp_path / "archive" / "kek" / "living.keys"))
    rotation.shred(rotation.plan(Erasure(subject="hanako")))
    assert readable(table, keys) == {n for n in range(450) if n // 2 % 2}


def test_a_migration_that_was_interrupted_goes_on(old):
    table, cipher, keys, old_key = old
    table.fail_after = 300
    with pytest.raises(OSError, match="disk is full"):
        migrate(table, cipher, keys, old_key)
    assert old_key.exists()
    table.fail_after = None
    assert migrate(table, cipher, keys, old_key) == 250
    assert readable(table, keys) == set(range(450))


def test_a_plaintext_that_names_another_blobs_hash_is_amended(old):
    table, cipher, keys, old_key = old
    migrate(table, cipher, keys, old_key, amend=lambda blob, plain: plain + str(blob.row).encode())
    key = keys.record_key("r0")
    assert key is not None
    ((sealed,),) = table.db.execute("SELECT sealed FROM blob WHERE n = 1")
    assert RecordCipher(key).open(sealed, place(1)) == text(1) + b"1"


def test_a_blob_that_does_not_open_stops_the_migration_and_keeps_the_old_key(old):
    table, cipher, keys, old_key = old
    table.db.execute(
        "UPDATE blob SET sealed = CAST(x'01' || substr(sealed, 2, 20) || x'00' AS BLOB) WHERE n = 5"
    )
    with pytest.raises(IntegrityError):
        migrate(table, cipher, keys, old_key)
    assert old_key.exists()


def test_the_version_byte_tells_old_from_new(tmp_path):
    key = os.urandom(32)
    assert is_old(ContentCipher(key).seal(b"x", b""))
    assert not is_old(RecordCipher(key).seal(b"x", b""))
    for foreign in (ContentCipher(key).seal(b"x", b""), b"", b"\x02"):
        with pytest.raises(IntegrityError, match="known version"):
            RecordCipher(key).open(foreign, b"")
    with pytest.raises(KeyAccessError):
        FileKek(tmp_path).wrap(1, bytes(32))
