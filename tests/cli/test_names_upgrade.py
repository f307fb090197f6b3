"""An installation from before names were sealed, brought up to date by the commands that people run."""

import hashlib
import shutil

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text

from sekimori.store import engine as module
from sekimori.vault.keyfile import key_to_text
from support.stolen import cells, leaks

YAML = "grants: []\n# 会議録の要約, decided by sasaki\n"
WORDS = ("fujiwara", "soumu-ka", "$argon2id$", "会議録の要約", "sasaki", "matsumoto.yaml")
NEW_KEYS = (
    *("archive/signing.key", "archive/store.key", "archive/lock.db", "gate/policy.key", "gate/signing.key"),
    *("gate/signing.pub", "web/people.key", "root/people.key", "root/policy.key", "root/issuing.pub"),
    *("web/policy.key", "web/ca.pem", "archive/gate.pub", "gate/archive.pub"),
    *("root/policy-signing.key", "root/policy-signing.pub"),
    *("gate/policy-signing.pub", "web/policy-signing.pub", "archive/people.key", "archive/policy.key"),
)


@pytest.fixture
def old(places):
    """The folders as the first release left them: a database of revision 0002, keys of that time."""
    for path in places.data.glob("sekimori.db*"):
        path.unlink()
    shutil.rmtree(places.data / "ledger", ignore_errors=True)
    for name in ("kek", "logs"):
        shutil.rmtree(places.keys / "archive" / name, ignore_errors=True)
    (places.keys / "archive" / "living.keys").unlink(missing_ok=True)
    for name in NEW_KEYS:
        (places.keys / name).unlink()
    data_key = places.keys / "archive" / "data.key"
    data_key.write_bytes(key_to_text("data", bytes(range(32))))
    data_key.chmod(0o600)
    _fill(places)
    return places


def _fill(places):
    engine = create_engine(f"sqlite:///{places.database}")
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(module._MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        connection.execute(
            text(
                "INSERT INTO person VALUES ('fujiwara', '[\"soumu-ka\"]', '[]', 0, NULL, '$argon2id$x', 1, 2)"
            )
        )
        connection.execute(
            text("INSERT INTO policy_document VALUES (1, 'matsumoto.yaml', :text, :sha256, 1, 'sasaki', 0)"),
            {"text": YAML, "sha256": hashlib.sha256(YAML.encode()).hexdigest()},
        )
    engine.dispose()
    places.database.chmod(0o600)


def stolen(places):
    return leaks(cells(f"sqlite:///{places.database}"), WORDS)


def test_init_on_an_older_installation_seals_its_names_and_keeps_them(old, run):
    assert {word for _, word in stolen(old)} == set(WORDS)
    assert run("init").code == 0
    assert stolen(old) == set()
    (account,) = run("user", "list", "--json").lines
    assert (account["name"], account["groups"], account["proxy_password"]) == ("fujiwara", ["soumu-ka"], True)
    assert run("verify").code == 0


def test_before_that_a_command_says_what_to_do_and_loses_nothing(old, run):
    told = run("user", "list")
    assert told.code == 2
    assert "sekimori init" in told.err
    assert run("init").code == 0
    assert [account["name"] for account in run("user", "list", "--json").lines] == ["fujiwara"]
