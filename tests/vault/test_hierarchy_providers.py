"""The keepers of key-encryption keys: all four keep the same promises, each refuses what is peculiar to it."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from sekimori.errors import ConfigError, IntegrityError, KeyAccessError
from sekimori.vault.hierarchy import KeyHierarchy
from sekimori.vault.living import LivingKeys
from sekimori.vault.providers.file import FileKek
from sekimori.vault.providers.passphrase import Cost, PassphraseKek
from sekimori.vault.providers.transit import TransitKek, TransitSettings
from sekimori.vault.rotation import Erasure, Rotation
from sekimori.vault.slots import Slot
from support.keyrows import MemoryKeyRows
from support.transit import serving

SECRET = bytes(range(32))
WORDS = "月見草 宵待草 彼岸花 山茶花 沈丁花"
SOFTHSM = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "2468"
CHEAP = Cost(memory_kib=64, passes=1, lanes=1)


@pytest.fixture(scope="session")
def token(tmp_path_factory):
    """A SoftHSM token: the module reads its configuration once a process."""
    if not SOFTHSM.exists():
        pytest.skip("needs the system package softhsm2")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    config = folder / "softhsm2.conf"
    config.write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\n")
    os.environ["SOFTHSM2_CONF"] = str(config)
    init = [
        "softhsm2-util",
        "--init-token",
        "--free",
        "--label",
        "sekimori",
        "--pin",
        PIN,
        "--so-pin",
        "13579",
    ]
    subprocess.run(init, check=True, capture_output=True)
    yield folder / "tokens"
    del os.environ["SOFTHSM2_CONF"]


def pkcs11(label="sekimori", pin=PIN, module=SOFTHSM):
    from sekimori.vault.providers.pkcs11 import Pkcs11Kek

    return Pkcs11Kek(module, label, lambda: pin)


@pytest.fixture
def transit():
    with serving("s.token") as (url, service):
        yield TransitKek(TransitSettings(url), lambda: "s.token"), service


@pytest.fixture(params=["file", "passphrase", "pkcs11", "transit"])
def kek(request, tmp_path):
    if request.param == "file":
        return FileKek(tmp_path / "kek")
    if request.param == "passphrase":
        return PassphraseKek(tmp_path / "kek", WORDS, cost=CHEAP)
    if request.param == "transit":
        return request.getfixturevalue("transit")[0]
    request.getfixturevalue("token")
    provider = pkcs11()
    for epoch in provider.epochs():
        provider.destroy(epoch)
    return provider


# --- what all of them promise ----------------------------------------------------------------------


@pytest.mark.req("ABG-CG5-1")
def test_a_secret_comes_back_until_its_key_is_destroyed(kek):
    assert kek.epochs() == []
    kek.create(1)
    kek.create(2)
    wrapped = kek.wrap(1, SECRET)
    assert SECRET not in wrapped
    assert kek.unwrap(1, wrapped) == SECRET
    assert kek.epochs() == [1, 2]
    kek.destroy(1)
    kek.destroy(1)
    assert kek.epochs() == [2]
    with pytest.raises(KeyAccessError):
        kek.unwrap(1, wrapped)


def test_a_secret_of_another_epoch_or_an_altered_one_does_not_open(kek):
    kek.create(1)
    kek.create(2)
    wrapped = kek.wrap(1, SECRET)
    altered = wrapped[:-2] + bytes([wrapped[-2] ^ 1]) + wrapped[-1:]
    for epoch, sealed in ((2, wrapped), (1, altered), (1, b""), (1, b"vault:v1:"), (1, bytes(61))):
        with pytest.raises(IntegrityError):
            kek.unwrap(epoch, sealed)


def test_the_key_of_an_epoch_is_never_made_twice(kek):
    kek.create(1)
    wrapped = kek.wrap(1, SECRET)
    with pytest.raises(KeyAccessError, match=r"already (holds|exists)"):
        kek.create(1)
    assert kek.unwrap(1, wrapped) == SECRET


@pytest.mark.parametrize("epoch", [0, -1, 1_000_000])
def test_an_epoch_that_cannot_be_is_refused(kek, epoch):
    with pytest.raises(KeyAccessError, match="no key epoch"):
        kek.create(epoch)


@pytest.mark.req("UPD-P2-4")
def test_the_hierarchy_stands_rotates_and_erases_on_each(kek, tmp_path):
    keys = KeyHierarchy(MemoryKeyRows(), kek)
    keys.found()
    slots = {"r1": Slot("hanako", "1", "2026-04"), "r2": Slot("taro", "1", "2026-04")}
    for rid, slot in slots.items():
        keys.rows.put_record_keys([keys.wrap(keys.data_key(slot), rid, SECRET)])
    rotation = Rotation(keys, LivingKeys(tmp_path / "living" / "living.keys"))
    rotation.shred(rotation.plan(Erasure(subject="hanako")))
    rotation.rotate()
    again = KeyHierarchy(keys.rows, kek)
    assert (again.record_key("r1"), again.record_key("r2")) == (None, SECRET)
    assert kek.epochs() == [3]


# --- files and passphrases -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make", [FileKek, lambda folder: PassphraseKek(folder, WORDS, cost=CHEAP)], ids=["file", "passphrase"]
)
def test_a_key_file_is_closed_to_others_and_bound_to_its_epoch(tmp_path, make):
    kek = make(tmp_path / "kek")
    kek.create(1)
    (path,) = (tmp_path / "kek").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    shutil.copy(path, path.with_name("epoch-000002.key"))
    with pytest.raises(KeyAccessError, match=r"kind kek-000001|not the sealed key of epoch 2"):
        kek.wrap(2, SECRET)
    path.chmod(0o644)
    with pytest.raises(KeyAccessError, match="Others than its owner"):
        kek.wrap(1, SECRET)


def test_a_destroyed_key_file_was_overwritten_before_it_was_removed(tmp_path):
    kek = FileKek(tmp_path / "kek")
    kek.create(1)
    path = tmp_path / "kek" / "epoch-000001.key"
    hard_link = tmp_path / "kept"
    os.link(path, hard_link)
    size = path.stat().st_size
    kek.destroy(1)
    assert hard_link.read_bytes() == bytes(size)


def test_without_the_passphrase_the_key_folder_opens_nothing(tmp_path):
    kek = PassphraseKek(tmp_path / "kek", WORDS)
    kek.create(1)
    wrapped = kek.wrap(1, SECRET)
    with pytest.raises(KeyAccessError, match="doesn't open"):
        PassphraseKek(tmp_path / "kek", WORDS + "?").unwrap(1, wrapped)
    # "が" as one sign or as two is the same word
    composed, apart = "しがらみ草 四五六七", "しか\u3099らみ草 四五六七"
    PassphraseKek(tmp_path / "two", composed + "八九十").create(1)
    sealed = PassphraseKek(tmp_path / "two", composed + "八九十").wrap(1, SECRET)
    assert PassphraseKek(tmp_path / "two", apart + "八九十").unwrap(1, sealed) == SECRET


def test_a_short_passphrase_is_refused(tmp_path):
    with pytest.raises(KeyAccessError, match="shorter than 12"):
        PassphraseKek(tmp_path, "password")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param("m=65536", "m=99999999", "more memory or time", id="endless memory"),
        pytest.param("t=3", "t=999", "more memory or time", id="endless time"),
        pytest.param("p=4", "p=0", "more memory or time", id="no lane"),
        pytest.param("argon2id", "argon2i", "not the sealed key", id="another function"),
        pytest.param("-v1", "-v2", "not the sealed key", id="another version"),
    ],
)
def test_a_key_file_that_asks_for_too_much_is_refused(tmp_path, old, new, message):
    kek = PassphraseKek(tmp_path / "kek", WORDS)
    kek.create(1)
    path = tmp_path / "kek" / "epoch-000001.key"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(KeyAccessError, match=message):
        kek.wrap(1, SECRET)


# --- PKCS#11 ---------------------------------------------------------------------------------------


def test_the_tokens_key_is_never_extractable(token):
    import pkcs11 as library

    provider = pkcs11()
    provider.create(7)
    try:
        with library.lib(str(SOFTHSM)).get_token(token_label="sekimori").open(user_pin=PIN) as session:
            (key,) = session.get_objects({library.Attribute.LABEL: "sekimori-kek-000007"})
            assert (key[library.Attribute.EXTRACTABLE], key[library.Attribute.SENSITIVE]) == (False, True)
            with pytest.raises(library.AttributeSensitive):
                _ = key[library.Attribute.VALUE]
    finally:
        provider.destroy(7)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"pin": "0000"}, "refuses the PIN", id="wrong PIN"),
        pytest.param({"label": "another"}, "can't be used", id="no such token"),
        pytest.param({"module": Path("/nowhere/module.so")}, "can't be used", id="no module"),
    ],
)
def test_a_token_that_cannot_be_used_says_why(token, change, message):
    with pytest.raises(KeyAccessError, match=message):
        pkcs11(**change).epochs()


# --- transit ---------------------------------------------------------------------------------------


def test_only_our_own_keys_are_counted_and_destroyed(transit):
    kek, service = transit
    kek.create(1)
    kek.destroy(1)
    assert list(service.keys) == ["somebody-elses"]
    assert service.asked[-1] == "DELETE /v1/transit/keys/sekimori-kek-000001"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param(b"not json", "unknown way", id="not JSON"),
        pytest.param(b"[1]", "unknown way", id="not an object"),
        pytest.param(b"[" * 100_000, "unknown way", id="an abyss"),
        pytest.param(b"x" * 1_200_000, "more than it may", id="endless"),
        pytest.param(b'{"data":{"keys":7}}', "unknown way", id="another shape"),
    ],
)
def test_an_odd_answer_is_refused(transit, answer, message):
    kek, service = transit
    service.answer_with = answer
    with pytest.raises(KeyAccessError, match=message):
        kek.epochs()


def test_a_refused_token_and_a_silent_service_are_told_apart(transit):
    kek, service = transit
    service.token = "renewed"
    with pytest.raises(KeyAccessError, match="answers 403"):
        kek.epochs()
    with pytest.raises(KeyAccessError, match="can't be reached"):
        TransitKek(TransitSettings("http://127.0.0.1:9", timeout_seconds=2), lambda: "t").epochs()


@pytest.mark.parametrize("url", ["http://vault.example.lg.jp:8200", "ftp://127.0.0.1", "vault:8200", ""])
def test_the_token_never_crosses_a_network_in_clear(url):
    with pytest.raises(ConfigError, match="https"):
        TransitKek(TransitSettings(url), lambda: "t")
