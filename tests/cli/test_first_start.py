"""What a first start makes, and what a start refuses: one clear sentence each, exit 2, nothing running."""

import os
import pty
import re
import socket
import subprocess
import sys

import pytest

from sekimori.cli import clock
from sekimori.cli.checks import only_one
from sekimori.cli.opened import now_us
from sekimori.cli.places import Places


def files_under(folder):
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def test_every_key_is_for_its_owner_alone_and_none_lies_under_the_data(places):
    keys = files_under(places.keys)
    assert {str(path.relative_to(places.keys)) for path in keys} == {
        "archive/archivist.key",
        "archive/gate.pub",
        "archive/kek/epoch-000001.key",
        "archive/lock.db",
        "archive/people.key",
        "archive/policy.key",
        "archive/signing.key",
        "archive/store.key",
        "gate/archive.pub",
        "gate/archivist.pub",
        "gate/ca.pem",
        "gate/fingerprint.key",
        "gate/issuing.key",
        "gate/policy-signing.pub",
        "gate/policy.key",
        "gate/signing.key",
        "gate/signing.pub",
        "root/ca.key",
        "root/ca.pem",
        "root/issuing.pub",
        "root/people.key",
        "root/policy-signing.key",
        "root/policy-signing.pub",
        "root/policy.key",
        "setup-link",
        "web/ca.pem",
        "web/people.key",
        "web/policy-signing.pub",
        "web/policy.key",
        "web/session.key",
    }
    assert {path.stat().st_mode & 0o777 for path in keys} == {0o600}
    assert {path.stat().st_mode & 0o077 for path in (places.keys, *places.keys.iterdir())} == {0}
    stored = b"".join(path.read_bytes() for path in files_under(places.data))
    lines = [path.read_bytes().strip().split(b"\n")[-1] for path in keys if path.suffix != ".db"]
    assert not any(line in stored for line in lines)
    assert not any(path.suffix in {".key", ".pem"} for path in files_under(places.data))


def test_without_a_terminal_the_administrator_gets_a_link_and_no_password(places, run):
    link = (places.keys / "setup-link").read_text()
    assert re.fullmatch(r"http://127\.0\.0\.1:8081/setup/[\w-]{43}\n", link)
    admin = run("user", "list", "--json").lines[0]
    assert (admin["name"], admin["roles"], admin["password"]) == ("admin", ["administrator"], False)


def test_on_a_terminal_the_passwords_are_shown_once_and_stored_nowhere(tmp_path):
    ours, theirs = pty.openpty()
    argv = [sys.executable, "-c", "from sekimori.cli.main import main; main()", "init"]
    folders = {"SEKIMORI_DATA": str(tmp_path / "data"), "SEKIMORI_KEYS": str(tmp_path / "keys")}
    shown = b""
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=theirs, env=os.environ | folders) as process:
        os.close(theirs)
        while True:
            try:
                shown += os.read(ours, 4096)
            except OSError:  # Linux: the other end was closed
                break
    os.close(ours)
    assert process.returncode == 0
    secrets = re.findall(rb"password +(\S{24})  \(shown this once", shown)
    assert len(secrets) == 2
    assert b"--proxy-user admin:" + secrets[1] in shown
    assert not (tmp_path / "keys" / "setup-link").exists()
    everything = b"".join(path.read_bytes() for path in files_under(tmp_path))
    assert not any(secret in everything for secret in secrets)


def test_making_it_again_says_nothing_and_changes_nothing(places, run):
    before = {path: path.read_bytes() for path in files_under(places.keys)}
    result = run("init")
    assert (result.code, result.out, result.err) == (0, "", "")
    assert {path: path.read_bytes() for path in files_under(places.keys)} == before


def test_the_first_words_tell_a_newcomer_everything(tmp_path, run):
    out = run("init", "--data", tmp_path / "d", "--keys", tmp_path / "k").out
    for said in (
        "http://127.0.0.1:8080",
        "/proxy.pac",
        "gate/ca.pem",
        "curl --proxy",
        "admin",
        "sekimori apply",
    ):
        assert said in out
    assert "ready" not in out


class Refused:
    """What must not be as it is, made so before `up` is started."""

    def port(self, places):
        self.other = socket.create_server(("127.0.0.1", 0))
        return ["--listen", f"127.0.0.1:{self.other.getsockname()[1]}"]

    def console_port(self, places):
        return ["--console", self.port(places)[1]]

    def metrics_port(self, places):
        return ["--metrics", self.port(places)[1]]

    def keys_inside(self, places):
        return ["--keys", places.data / "keys"]

    def half_made(self, places):
        places.format.unlink()
        return []

    def newer(self, places):
        places.format.write_text("2")
        return []

    def clock_back(self, places):
        clock.remember(places.clock(), now_us() + 60_000_000)
        return []

    def loose_key(self, places):
        (places.keys / "archive" / "store.key").chmod(0o644)
        return []

    def no_keys(self, places):
        return ["--keys", places.keys.parent / "other"]

    def configuration(self, places):
        (places.keys.parent / "s.toml").write_text("[gate]\nlistne = 1\n")
        return ["--config", places.keys.parent / "s.toml"]

    def plain_listener(self, places):
        return ["--listen", "0.0.0.0:8080"]

    def no_host(self, places):
        (places.keys.parent / "s.toml").write_text('[gate]\ndecrypt_mixed = ["Slack.com"]\n')
        return ["--config", places.keys.parent / "s.toml"]


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        pytest.param("port", "is taken by another program, so the gate cannot listen", id="port"),
        pytest.param("console_port", "so the web server cannot listen", id="port of the web server"),
        pytest.param("metrics_port", "so the metrics endpoint cannot listen", id="port of the metrics"),
        pytest.param("keys_inside", "lie one inside the other", id="keys under the data"),
        pytest.param("half_made", "is half made", id="half-made data folder"),
        pytest.param("newer", "this version reads format 1", id="newer format"),
        pytest.param("clock_back", "The clock stepped back", id="clock"),
        pytest.param("loose_key", "can be reached by other users. Run: chmod 600", id="loose key"),
        pytest.param("no_keys", "was written with keys", id="keys missing"),
        pytest.param(
            "configuration", ":2: unknown key gate.listne; did you mean listen?", id="configuration"
        ),
        pytest.param("plain_listener", "beyond loopback", id="plain listener"),
        pytest.param("no_host", "write 'Slack.com' as 'slack.com'", id="a host that matches nothing"),
    ],
)
def test_up_refuses_with_one_sentence(places, run, how, sentence):
    refused = Refused()
    arguments = getattr(refused, how)(places)
    free = ["--listen", "127.0.0.1:0", "--console", "127.0.0.1:0", "--metrics", "127.0.0.1:0"]
    result = run("up", *free, *arguments)
    if hasattr(refused, "other"):
        refused.other.close()
    assert (result.code, result.out) == (2, "")
    assert sentence in result.err
    assert len(result.err.splitlines()) == 1


def test_a_second_up_refuses_and_names_the_first(places, run):
    with only_one(places):
        result = run("up", "--listen", "127.0.0.1:0")
    assert result.code == 2
    assert f"already runs on {places.data} as process {os.getpid()}" in result.err


def test_one_role_needs_an_installation_and_no_running_up(places, run, tmp_path):
    empty = Places(tmp_path / "no-data", tmp_path / "no-keys")
    result = run("gate", "--data", empty.data, "--keys", empty.keys)
    assert (result.code, "sekimori init" in result.err) == (2, True)
    with only_one(places):
        result = run("archive")
    assert (result.code, "already runs" in result.err) == (2, True)
