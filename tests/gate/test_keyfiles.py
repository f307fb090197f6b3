"""The files of the CA: made once, readable by their owner, never replaced."""

from __future__ import annotations

import shutil
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from sekimori.errors import KeyAccessError, PolicyUnavailableError
from sekimori.gate.ca import Issuer
from sekimori.gate.keyfiles import (
    create_authority,
    export_root,
    load_issuing,
    load_issuing_key,
    load_issuing_public,
    load_root,
    load_root_cert,
    own_folder,
    publish_issuing,
    write_atomically,
)
from support.authority import NOW, PEM

RULES = [("openai.com", True), ("claude.ai", True)]


def contents(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def keys(tmp_path):
    create_authority(tmp_path / "keys", organisation="Kasumi City", now=NOW)
    return tmp_path / "keys"


def test_each_role_gets_a_folder_of_its_own_and_nobody_else_can_read_it(keys):
    assert {str(path) for path in contents(keys)} == {
        "root/ca.key",
        "root/ca.pem",
        "root/issuing.pub",
        "gate/issuing.key",
        "gate/ca.pem",
        "web/ca.pem",
    }
    modes = {stat.S_IMODE(path.stat().st_mode) for path in keys.rglob("*") if path.is_file()}
    folders = {stat.S_IMODE(path.stat().st_mode) for path in (keys, keys / "root", keys / "gate")}
    assert (modes, folders) == ({0o600}, {0o700})


def test_a_second_start_changes_nothing(keys):
    before = contents(keys)
    create_authority(keys, organisation="Another", now=NOW + timedelta(days=9))
    assert contents(keys) == before


@pytest.mark.parametrize(
    "missing", ["root/ca.pem", "gate/ca.pem", "gate/issuing.key", "root/issuing.pub", "web/ca.pem"]
)
def test_a_first_start_that_was_cut_short_is_completed(keys, missing):
    key = (keys / "root/ca.key").read_bytes()
    (keys / missing).unlink()
    root = create_authority(keys, organisation="Kasumi City", now=NOW)
    assert (keys / "root/ca.key").read_bytes() == key
    assert load_root(keys / "root").cert == root.cert
    assert (keys / missing).exists()


def test_the_publisher_holds_the_public_half_of_the_issuing_key(keys):
    before = load_issuing_public(keys / "root")
    assert before == load_issuing_key(keys / "gate").public_key()
    (keys / "gate/issuing.key").unlink()
    create_authority(keys, organisation="Kasumi City", now=NOW)
    assert load_issuing_public(keys / "root") == load_issuing_key(keys / "gate").public_key() != before


@pytest.mark.parametrize("content", [b"", b"hello"])
def test_a_public_half_that_is_none_is_a_sentence(keys, content):
    (keys / "root/issuing.pub").write_bytes(content)
    with pytest.raises(KeyAccessError, match=r"issuing\.pub cannot be read"):
        load_issuing_public(keys / "root")


@pytest.mark.parametrize("own", ["gate", "root", "web"])
def test_every_role_finds_the_certificate_in_its_own_folder(keys, own):
    exported = export_root(keys / "root")
    for role in {"gate", "root", "web"} - {own}:
        shutil.rmtree(keys / role)
    assert own_folder(keys) == keys / own
    assert export_root(own_folder(keys)) == exported


def test_a_lost_root_key_is_reported_and_not_replaced(keys):
    (keys / "root/ca.key").unlink()
    with pytest.raises(KeyAccessError, match="missing"):
        create_authority(keys, organisation="Kasumi City", now=NOW)
    assert not (keys / "root/ca.key").exists()


@pytest.mark.parametrize("path", ["root/ca.key", "gate/issuing.key"])
def test_a_key_that_others_can_read_is_refused(keys, path):
    (keys / path).chmod(0o640)
    with pytest.raises(KeyAccessError, match=r"640.*chmod 600"):
        load_root(keys / "root") if path.startswith("root") else load_issuing_key(keys / "gate")


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n"]
)
def test_a_damaged_key_is_refused(keys, content):
    (keys / "gate/issuing.key").write_bytes(content)
    with pytest.raises(KeyAccessError):
        load_issuing_key(keys / "gate")


def test_a_key_of_another_kind_is_refused(keys):
    key = ed25519.Ed25519PrivateKey.generate().private_bytes(
        PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (keys / "gate/issuing.key").write_bytes(key)
    with pytest.raises(KeyAccessError, match="elliptic"):
        load_issuing_key(keys / "gate")


def test_a_damaged_root_certificate_is_refused(keys):
    (keys / "gate/ca.pem").write_bytes(b"hello")
    with pytest.raises(KeyAccessError, match="cannot be read"):
        export_root(keys / "gate")


def test_a_root_certificate_of_another_key_is_refused(keys, tmp_path):
    create_authority(tmp_path / "other", organisation="Other", now=NOW)
    (keys / "root/ca.pem").write_bytes((tmp_path / "other/root/ca.pem").read_bytes())
    with pytest.raises(KeyAccessError, match="does not belong"):
        load_root(keys / "root")


def test_what_is_exported_is_one_certificate_and_no_key(keys):
    exported = export_root(keys / "gate")
    assert x509.load_pem_x509_certificates(exported) == [load_root_cert(keys / "root")]
    assert b"PRIVATE" not in exported


def test_a_worker_reads_what_the_publisher_wrote_and_an_unchanged_set_is_not_written_again(keys, tmp_path):
    root, public_key = load_root(keys / "root"), load_issuing_key(keys / "gate").public_key()
    issuer, path = Issuer(root.key, root.cert, public_key), tmp_path / "issuing.pem"
    published = publish_issuing(path, issuer, None, RULES, NOW)
    written = path.stat().st_mtime_ns
    read = load_issuing(path, root=root.cert, public_key=public_key)
    assert read.shards == published.shards
    assert publish_issuing(path, issuer, read, RULES, NOW + timedelta(days=1)).shards == published.shards
    assert path.stat().st_mtime_ns == written
    publish_issuing(path, issuer, read, RULES[:1], NOW)
    assert load_issuing(path, root=root.cert, public_key=public_key).shard_for("claude.ai") is None


def test_missing_issuing_certificates_make_the_policy_unavailable(keys, tmp_path):
    with pytest.raises(PolicyUnavailableError):
        load_issuing(
            tmp_path / "none.pem",
            root=load_root_cert(keys / "gate"),
            public_key=load_issuing_key(keys / "gate").public_key(),
        )


def test_a_draft_that_a_crash_left_behind_is_no_obstacle(tmp_path):
    for content in (b"one", b"two"):
        write_atomically(tmp_path / "file", content, mode=0o600)
    assert contents(tmp_path).popitem()[1] == b"two"
    assert len(contents(tmp_path)) == 1
