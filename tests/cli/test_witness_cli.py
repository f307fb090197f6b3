"""The witness's administrator at the keyboard."""

import json
import os
import signal
import subprocess

import pytest

from sekimori.cli.witnessing import Listening
from sekimori.errors import UsageError
from sekimori.ledger.outside.http import Remote
from sekimori.ledger.tlog.checkpoint import log_origin, log_verifier
from sekimori.ledger.tlog.keys import ssh_line
from sekimori.ledger.tlog.note import COSIGNATURE, parse_vkey
from sekimori.ledger.witness.protocol import AddCheckpoint
from support.outside import SEKIMORI, SmallLog, WitnessHost
from support.tlog import LOG, witness_verifier


@pytest.fixture
def run(tmp_path):
    def run_one(*arguments):
        command = [SEKIMORI, "witness", *map(str, arguments), "--folder", tmp_path / "w"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout.strip(), done.stderr.strip()

    return run_one


def test_a_witness_is_made_once_for_its_owner_alone(run, tmp_path):
    code, vkey, _ = run("init", "witness.example/w1")
    assert (code, parse_vkey(vkey).name, parse_vkey(vkey).kind) == (0, "witness.example/w1", COSIGNATURE)
    assert run("key")[1] == vkey
    folder = tmp_path / "w"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {(folder / name).stat().st_mode & 0o777 for name in ("witness.key", "memory.db")} == {0o600}
    code, _, sentence = run("init", "witness.example/w2")
    assert (code, "nothing was changed" in sentence) == (2, True)
    assert run("key")[1] == vkey


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\n"])
def test_a_name_that_no_key_may_have_makes_no_witness(run, tmp_path, name):
    assert run("init", name)[0] == 2
    assert not (tmp_path / "w" / "witness.key").exists()


def test_a_witness_that_lost_its_memory_does_not_start(run, tmp_path):
    run("init", "w")
    (tmp_path / "w" / "memory.db").unlink()
    code, _, sentence = run()
    assert (code, "memory" in sentence, "another key" in sentence) == (2, True, True)


def test_nothing_is_made_where_no_witness_is(run, tmp_path):
    for arguments in ((), ("key",), ("logs",), ("add-log", log_verifier(LOG.public).vkey)):
        assert run(*arguments)[0] == 2
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize("kind", ["text", "vkey", "ssh"])
def test_a_log_is_added_by_its_key_or_by_the_file_with_it(run, tmp_path, kind):
    run("init", "w")
    vkey, file = log_verifier(LOG.public).vkey, tmp_path / "log"
    file.write_text(ssh_line(LOG.public) if kind == "ssh" else vkey + "\n")
    added = run("add-log", vkey if kind == "text" else file)
    assert added[:2] == (0, log_origin(LOG.public))
    assert json.loads(run("logs", "--json")[1]) == {
        "origin": log_origin(LOG.public),
        "size": 0,
        "cosigned": None,
    }


@pytest.mark.parametrize("key", ["nonsense", "a+b+c", witness_verifier().vkey])
def test_what_is_no_key_of_a_log_is_not_added(run, key):
    run("init", "w")
    assert run("add-log", key)[0] == 2
    assert run("logs")[1] == ""


def test_a_running_witness_takes_a_new_log_at_once_and_ends_in_order(tmp_path):
    host = WitnessHost(tmp_path / "w")
    offer = SmallLog().offer(7)
    body = AddCheckpoint(0, (), offer.note.pack()).pack()
    with host.serving() as process:
        assert Remote(host.url).ask("POST", "add-checkpoint", body).status == 404
        host.add_log(log_verifier(LOG.public).vkey)
        assert Remote(host.url).ask("POST", "add-checkpoint", body).status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_a_folder_named_before_the_command_is_not_silently_left_out(tmp_path):
    command = [SEKIMORI, "witness", "--folder", tmp_path, "key"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=dict(os.environ))
    assert (done.returncode, "behind key" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("listen", "cert", "key", "plain", "ok"),
    [
        pytest.param("127.0.0.1:1", None, None, False, True, id="loopback"),
        pytest.param("0.0.0.0:1", None, None, False, False, id="beyond it, plain"),
        pytest.param("0.0.0.0:1", None, None, True, True, id="plain, on purpose"),
        pytest.param("0.0.0.0:1", "c", "k", False, True, id="TLS"),
        pytest.param("127.0.0.1:1", "c", None, False, False, id="a certificate without its key"),
        pytest.param("here", None, None, False, False, id="no address"),
    ],
)
def test_nothing_crosses_a_network_unprotected_by_accident(listen, cert, key, plain, ok):
    if ok:
        assert str(Listening.of(listen, cert, key, plain=plain).address) == listen
    else:
        with pytest.raises(UsageError):
            Listening.of(listen, cert, key, plain=plain)
