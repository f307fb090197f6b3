"""Before anything starts: one clear sentence for each thing that is not as it must be."""

import os
import socket
import subprocess
import sys

import pytest

from sekimori.cli import checks, clock
from sekimori.cli.config import Config
from sekimori.cli.config_ledger import Ledger, TimeStamps, Witness
from sekimori.cli.places import Places
from sekimori.cli.units import Address
from sekimori.errors import ClockError, IntegrityError, KeyAccessError, StateError
from support.limits import put, within
from support.tlog import witness_verifier

NOW = 1_800_000_000_000_000


@pytest.fixture
def places(tmp_path):
    made = Places(tmp_path / "data", tmp_path / "keys")
    made.data.mkdir(mode=0o700)
    made.keys.mkdir(mode=0o700)
    return made


def make_key(places, mode=0o600):
    key = places.keys / "root" / "ca.key"
    key.parent.mkdir(mode=0o700)
    key.touch()
    key.chmod(mode)
    return key


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        pytest.param("d", "d/keys", id="keys inside data"),
        pytest.param("k/data", "k", id="data inside keys"),
        pytest.param("d", "d", id="the same folder"),
        pytest.param("d", "x/../d/keys", id="by a detour"),
    ],
)
def test_keys_and_data_lie_apart(tmp_path, data, keys):
    with pytest.raises(StateError, match="one inside the other"):
        checks.check_apart(Places(tmp_path / data, tmp_path / keys))


def test_keys_reached_through_a_link_into_the_data_are_inside_it(places, tmp_path):
    (places.data / "keys").mkdir()
    (tmp_path / "elsewhere").symlink_to(places.data / "keys")
    with pytest.raises(StateError, match="one inside the other"):
        checks.check_apart(Places(places.data, tmp_path / "elsewhere"))


def test_a_government_does_not_start_without_a_witness():
    witness = Witness(name="w", url="https://w.example", vkey=witness_verifier().vkey)
    with pytest.raises(StateError, match="needs a witness"):
        checks.check_outside(Config(profile="gov"))
    checks.check_outside(Config(profile="gov", ledger=Ledger(witnesses=(witness,))))
    checks.check_outside(Config(profile="enterprise"))


def test_a_ca_file_of_an_outside_memory_that_cannot_be_read_is_a_sentence(tmp_path):
    missing = str(tmp_path / "ca.pem")
    witness = Witness(name="w", url="https://w.example", vkey=witness_verifier().vkey, ca_file=missing)
    stamps = TimeStamps(name="t", url="https://t.example", ca_file=missing)
    for ledger in (Ledger(witnesses=(witness,)), Ledger(timestamps=(stamps,))):
        with pytest.raises(StateError, match=r"ca\.pem"):
            checks.check_outside(Config(ledger=ledger))


def test_a_folder_is_made_for_its_owner_alone(tmp_path):
    checks.check_folder(tmp_path / "a" / "b", "--data")
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StateError, match=r"cannot be made .* Name another with --data\."):
        checks.check_folder(tmp_path / "file" / "data", "--data")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
@pytest.mark.parametrize("mode", [pytest.param(0o000, id="unreadable"), pytest.param(0o500, id="unwritable")])
def test_a_folder_that_cannot_be_used_is_a_sentence(tmp_path, mode):
    (tmp_path / "shut").mkdir()
    (tmp_path / "shut").chmod(mode)
    with pytest.raises(StateError, match="cannot be read and written"):
        checks.check_folder(tmp_path / "shut", "--data")


def test_an_empty_folder_is_a_first_start_and_a_finished_one_is_not(places):
    places.lock().touch()
    assert checks.is_first_start(places)
    places.format.write_text("1\n")
    assert not checks.is_first_start(places)


def test_a_half_made_folder_is_refused_with_what_lies_there(places):
    places.database.touch()
    with pytest.raises(StateError, match=r"half made: it holds sekimori\.db"):
        checks.is_first_start(places)


@pytest.mark.parametrize("found", ["2", "", "one", "1.5", "\u0661"])
def test_a_format_that_this_version_does_not_know_is_refused(places, found):
    places.format.write_text(found, encoding="utf-8")
    with pytest.raises(StateError):
        checks.is_first_start(places)


def test_missing_keys_of_a_folder_with_records_are_never_made_anew(places):
    with pytest.raises(KeyAccessError, match="new keys would not open old records"):
        checks.check_keys(places, first=False)
    checks.check_keys(places, first=True)


@pytest.mark.parametrize("mode", [pytest.param(0o640, id="group"), pytest.param(0o604, id="everyone")])
def test_a_key_that_others_can_read_is_refused(places, mode):
    key = make_key(places, mode)
    with pytest.raises(KeyAccessError, match=rf"Run: chmod 600 {key}"):
        checks.check_keys(places, first=False)


def test_a_keys_folder_that_others_can_enter_is_refused(places):
    make_key(places)
    checks.check_keys(places, first=False)
    places.keys.chmod(0o755)
    with pytest.raises(KeyAccessError, match=f"Run: chmod 700 {places.keys}"):
        checks.check_keys(places, first=False)


@pytest.mark.parametrize(("mode", "refused"), [(0o710, False), (0o750, True), (0o711, True), (0o730, True)])
def test_a_group_may_pass_through_the_keys_folder_to_its_own_and_no_more(places, mode, refused):
    make_key(places)
    places.keys.chmod(mode)
    if not refused:
        checks.check_keys(places, first=False)
        return
    with pytest.raises(KeyAccessError, match=f"Run: chmod 700 {places.keys}"):
        checks.check_keys(places, first=False)


def test_a_role_looks_at_its_own_folders_and_says_which_is_missing(places):
    make_key(places)
    (places.keys / "gate").mkdir(mode=0o755)
    checks.check_keys(places, first=False, folders=["root"])
    with pytest.raises(KeyAccessError, match=f"{places.keys}/web can't be entered"):
        checks.check_keys(places, first=False, folders=["root", "web"])
    with pytest.raises(KeyAccessError, match="is empty"):
        checks.check_keys(places, first=False, folders=["gate"])


@pytest.mark.parametrize(
    ("behind_us", "refused"),
    [
        pytest.param(-1, False, id="went on"),
        pytest.param(5_000_000, False, id="five seconds back"),
        pytest.param(5_000_001, True, id="more than five seconds back"),
    ],
)
def test_a_clock_may_step_back_five_seconds_and_no_more(places, behind_us, refused):
    clock.remember(places.clock(), NOW)
    if not refused:
        clock.check(places.clock(), NOW - behind_us)
        return
    with pytest.raises(ClockError, match="stepped back 5 seconds"):
        clock.check(places.clock(), NOW - behind_us)


def test_the_remembered_time_never_goes_back(places):
    assert clock.remember(places.clock(), NOW) == 0
    assert clock.remember(places.clock(), NOW - 10) == 10
    assert clock.last_seen(places.clock()) == NOW


def test_a_damaged_clock_file_is_a_sentence(places):
    places.clock().write_text("soon")
    with pytest.raises(StateError, match="does not hold a time"):
        clock.check(places.clock(), NOW)


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_a_clock_that_is_no_file_is_a_sentence(places, kind):
    put(kind, places.clock())
    with within(10), pytest.raises(StateError, match="does not hold a time"):
        clock.check(places.clock(), NOW)


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_the_time_is_never_written_through_what_somebody_left_for_its_draft(places, kind):
    key = make_key(places)
    key.write_bytes(b"secret")
    put(kind, places.data / "clock.new", at=key)
    with within(10):
        clock.remember(places.clock(), NOW)
    assert (clock.last_seen(places.clock()), key.read_bytes()) == (NOW, b"secret")


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_a_lock_that_is_no_file_is_a_sentence_and_nothing_is_written_through_it(places, kind):
    key = make_key(places)
    key.write_bytes(b"secret")
    put(kind, places.lock(), at=key)
    with within(10):
        with pytest.raises(StateError, match=str(places.lock())), checks.only_one(places):
            pass
        with pytest.raises(IntegrityError, match=f"{places.lock()} is not a plain file"):
            checks.running(places)
    assert key.read_bytes() == b"secret"


@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_a_format_that_is_no_file_is_a_sentence(places, kind):
    put(kind, places.format)
    with within(10), pytest.raises(StateError, match="cannot be read"):
        checks.is_first_start(places)


HOLD = """
import sys
from pathlib import Path
from sekimori.cli.checks import only_one
from sekimori.cli.places import Places
with only_one(Places(Path(sys.argv[1]), Path(sys.argv[2]))):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_up_on_the_folder_is_refused_with_the_process_of_the_first(places):
    argv = [sys.executable, "-c", HOLD, str(places.data), str(places.keys)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert checks.running(places)
        with (
            pytest.raises(StateError, match=f"already runs on .* as process {holder.pid}"),
            checks.only_one(places),
        ):
            pass
        holder.kill()
    # A lock ends with its holder, however that one ended.
    assert not checks.running(places)
    with checks.only_one(places):
        assert places.lock().read_text() == f"{os.getpid()}\n"


def test_a_port_that_is_taken_is_a_sentence():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(StateError) as caught:
            checks.listen(Address("127.0.0.1", port), who="gate", option="--listen")
    assert str(caught.value) == (
        f"Port {port} on 127.0.0.1 is taken by another program, so the gate cannot listen. "
        "Stop it, or choose another address with --listen."
    )


@pytest.mark.parametrize(
    "address",
    [
        pytest.param(Address("192.0.2.1", 0), id="not an address of this machine"),
        pytest.param(Address("no-such-host.invalid", 0), id="a name that does not resolve"),
    ],
)
def test_an_address_that_cannot_be_opened_is_a_sentence(address):
    with pytest.raises(StateError, match=r"another (address )?with --listen"):
        checks.listen(address, who="gate", option="--listen")


def test_a_listener_says_which_port_the_system_chose():
    with checks.listen(Address("127.0.0.1", 0), who="gate", option="--listen") as listener:
        assert checks.bound(listener).port > 0
        assert not listener.get_inheritable()
