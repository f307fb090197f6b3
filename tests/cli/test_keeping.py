"""What keeps the key-encryption keys, as the configuration says; and an older installation brought up to date."""

from __future__ import annotations

import shutil
from itertools import count
from pathlib import Path

import pytest

from sekimori.cli.config import Config
from sekimori.cli.config_storage import Keys
from sekimori.cli.keeper import provider
from sekimori.cli.keeping import complete
from sekimori.cli.opened import store, store_keys
from sekimori.cli.places import Places
from sekimori.errors import ConfigError, KeyAccessError
from sekimori.store.upkeep import Upkeep
from sekimori.vault.providers.file import FileKek
from sekimori.vault.providers.passphrase import PassphraseKek
from sekimori.vault.providers.transit import TransitKek
from support.evidence import answered, asked, refused
from support.release1 import write_data_key, write_store

SECRET = "four words and then some"


def kept_by(tmp_path: Path, **settings: str) -> Places:
    """Name the places of an installation with these ``[keys]``."""
    (tmp_path / "keys" / "archive").mkdir(parents=True, mode=0o700, exist_ok=True)
    return Places.of(tmp_path / "data", tmp_path / "keys", Config(keys=Keys.model_validate(settings)))


def secret_file(folder: Path, *, mode: int = 0o600, text: str = f"{SECRET}\n") -> Path:
    path = folder / "secret"
    path.write_text(text)
    path.chmod(mode)
    return path


# --- which keeper ---------------------------------------------------------------------------------


def test_without_a_word_about_it_keys_are_files_in_the_keys_folder(tmp_path):
    kek = provider(kept_by(tmp_path))
    assert isinstance(kek, FileKek)
    kek.create(1)
    assert (tmp_path / "keys" / "archive" / "kek" / "epoch-000001.key").exists()


def test_a_passphrase_comes_from_a_file_that_others_cannot_read(tmp_path):
    kek = provider(kept_by(tmp_path, provider="passphrase", passphrase_file=str(secret_file(tmp_path))))
    assert isinstance(kek, PassphraseKek)


def test_a_passphrase_may_come_from_the_service_manager(tmp_path, monkeypatch):
    (tmp_path / "kek-passphrase").write_text(SECRET)
    (tmp_path / "kek-passphrase").chmod(0o440)  # as systemd shows it to a service of another user
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert isinstance(provider(kept_by(tmp_path, provider="passphrase")), PassphraseKek)


def test_a_transit_service_is_asked_with_a_token_that_is_read_each_time(tmp_path):
    token = secret_file(tmp_path)
    places = kept_by(
        tmp_path, provider="transit", transit_url="https://vault.example", transit_token_file=str(token)
    )
    kek = provider(places)
    assert isinstance(kek, TransitKek)
    token.unlink()
    with pytest.raises(KeyAccessError, match="secret can't be read"):
        kek.epochs()


def test_a_token_is_asked_for_its_pin_when_it_is_used(tmp_path):
    pytest.importorskip("pkcs11")
    places = kept_by(
        tmp_path,
        provider="pkcs11",
        pkcs11_module="/nowhere/libtoken.so",
        pkcs11_token="sekimori",
        pkcs11_pin_file=str(tmp_path / "pin"),
    )
    assert provider(places).name == "pkcs11"


@pytest.mark.parametrize(
    ("mode", "text", "told"),
    [
        pytest.param(0o640, f"{SECRET}\n", "reached by other users", id="the group may read it"),
        pytest.param(0o604, f"{SECRET}\n", "reached by other users", id="the world may read it"),
        pytest.param(0o600, "x" * 5000, "too long", id="it is no secret but a file"),
        pytest.param(0o600, "short", "shorter than", id="it is too short"),
    ],
)
def test_a_secret_that_is_none_is_refused(tmp_path, mode, text, told):
    path = secret_file(tmp_path, mode=mode, text=text)
    with pytest.raises(KeyAccessError, match=told):
        provider(kept_by(tmp_path, provider="passphrase", passphrase_file=str(path)))


def test_a_passphrase_that_nobody_gave_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(ConfigError, match=r"keys\.passphrase_file names no file"):
        provider(kept_by(tmp_path, provider="passphrase"))


def test_key_encryption_keys_never_lie_among_the_data(tmp_path):
    with pytest.raises(ConfigError, match="inside the data folder"):
        provider(kept_by(tmp_path, folder=str(tmp_path / "data" / "kek")))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        pytest.param({"provider": "pkcs11"}, "pkcs11_module and pkcs11_token", id="a token without its name"),
        pytest.param({"provider": "transit"}, "transit_url", id="a service without its address"),
        pytest.param({"provider": "paper"}, "provider", id="a keeper that there is not"),
        pytest.param({"passphrase": SECRET}, "Extra inputs", id="a secret in the configuration"),
    ],
)
def test_a_keeper_that_lacks_something_is_refused(settings, told):
    with pytest.raises(ValueError, match=told):
        Keys.model_validate(settings)


# --- an installation from before ------------------------------------------------------------------

NEW = ("store.key", "lock.db")


@pytest.fixture
def old(places):
    """The folders as release 1 left them, with what two people said."""
    for path in places.data.glob("sekimori.db*"):
        path.unlink()
    shutil.rmtree(places.data / "ledger", ignore_errors=True)
    archive = places.keys / "archive"
    for name in ("kek", "logs"):
        shutil.rmtree(archive / name, ignore_errors=True)
    for name in NEW:
        (archive / name).unlink()
    for name in ("signing.key", "signing.pub", "policy.key", "people.key", "gate.pub", "archive.pub"):
        for path in places.keys.glob(f"*/{name}"):
            path.unlink()
    write_data_key(archive)
    write_store(
        places.database, {"w1": [asked("r1", user="fujiwara"), answered("r1"), refused("r2", user="taira")]}
    )
    places.database.chmod(0o600)
    return places


def move(places: Places) -> None:
    """Do what the archivist does by and by."""
    keys = store_keys(places)
    with store(places) as engine:
        upkeep = Upkeep(engine, keys, alarm=pytest.fail)
        for number in count():
            if not upkeep.step():
                break
            assert number < 50


def test_an_older_installation_is_brought_up_to_date_and_reads_the_same(old, run):
    assert run("init").code == 0
    shown = run("log", "show", "r1", "--content", "--reason", "監査", "--json")
    assert "月見草" in shown.out
    assert [line["id"] for line in run("log", "list", "--user", "fujiwara", "--json").lines] == ["r1"]
    move(old)
    assert not (old.keys / "archive" / "data.key").exists()
    again = run("log", "show", "r1", "--content", "--reason", "監査", "--json")
    assert (again.code, again.lines) == (0, shown.lines)
    assert [line["id"] for line in run("log", "list", "--user", "fujiwara", "--json").lines] == ["r1"]


@pytest.mark.req("ABG-CG5-1")
def test_afterwards_no_file_of_the_folder_holds_a_prompt_or_a_name(old, run):
    assert run("init").code == 0
    move(old)
    for path in old.data.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        assert not [word for word in ("月見草", "fujiwara", "taira") if word.encode() in data], path


def test_completing_is_done_once(old):
    complete(old)
    before = {path: path.read_bytes() for path in old.keys.rglob("*") if path.is_file()}
    complete(old)
    assert {path: path.read_bytes() for path in old.keys.rglob("*") if path.is_file()} == before


def test_a_start_with_the_keys_of_another_installation_is_refused(places, tmp_path):
    kek = places.keys / "archive" / "kek"
    shutil.rmtree(kek)
    with pytest.raises(KeyAccessError, match="was destroyed or is not here"):
        complete(places)


def test_a_lock_store_that_was_lost_is_not_replaced_by_an_empty_one(places):
    (places.ledger / "super").mkdir(parents=True, exist_ok=True)
    (places.ledger / "super" / "checkpoint").touch()
    places.lock_store.unlink()
    complete(places)
    assert not places.lock_store.exists()
