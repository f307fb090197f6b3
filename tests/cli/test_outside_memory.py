"""The archivist's outside memory at work: a real log, two real witnesses, a time-stamping authority, a folder."""

import shutil
import time
from contextlib import ExitStack

import pytest

from sekimori import metrics
from sekimori.cli.config import Config
from sekimori.cli.outside import Outside
from sekimori.cli.places import Places
from sekimori.errors import StateError
from sekimori.ledger.outside.witnessed import Mark, WitnessedWatch
from sekimori.ledger.tlog.checkpoint import log_verifier, open_checkpoint
from sekimori.ledger.tlog.keys import KeySigner
from sekimori.ledger.tlog.lockstore import SqliteLockStore
from sekimori.ledger.tlog.opening import create_lane, open_lane
from sekimori.store.logkeys import LogKeys
from support.outside import WitnessHost, authority
from support.tlog import LOG, leaves

LIMIT = 3600.0
ARCHIVE = KeySigner(bytes(range(32, 64)))


def now_us():
    return time.time_ns() // 1000


def eventually(true):
    deadline = time.monotonic() + 15
    while not true() and time.monotonic() < deadline:
        time.sleep(0.1)
    return true()


@pytest.fixture
def hosts(tmp_path):
    made = [WitnessHost(tmp_path / f"host{n}", f"witness.example/w{n}") for n in (1, 2)]
    for host in made:
        host.add_log(log_verifier(LOG.public).vkey)
    return made


@pytest.fixture
def places(tmp_path):
    made = Places(tmp_path / "data", tmp_path / "keys")
    (made.data / "ledger").mkdir(parents=True)
    (made.keys / "archive").mkdir(parents=True)
    LogKeys(made.log_keys, random=lambda count: bytes(range(count))).make("super")  # the key of LOG
    return made


def configured(hosts, **more):
    witnesses = [
        {"name": f"w{n}", "url": host.url, "vkey": host.vkey} for n, host in enumerate(hosts, start=1)
    ]
    return Config.model_validate({"ledger": {"witnesses": witnesses, **more}}).ledger


def answers(result):
    return metrics.WITNESS_ANSWERS.labels(result)._value.get()


@pytest.mark.req("MOU-2-7")
def test_a_quorum_of_all_closes_the_gate_while_one_is_away_and_opens_it_again(hosts, places, tmp_path):
    worm, tsa = tmp_path / "worm", authority()
    worm.mkdir()
    mark = places.data / "ledger" / "witnessed"
    locks = SqliteLockStore.create(tmp_path / "lock.db")
    lane = create_lane(
        places.data / "ledger" / "super", name="super", signer=LOG, locks=locks, now_us=now_us()
    )
    with ExitStack() as stack:
        stack.callback(locks.close)
        server = stack.enter_context(tsa.server())
        stamps = [{"name": "tsa", "url": server.url, "ca_file": str(tsa.ca)}]
        outside = Outside(configured(hosts, timestamps=stamps, worm=str(worm)), places, ARCHIVE)
        stack.callback(outside.close)
        outside.start()
        assert eventually(mark.exists)  # the time runs from now
        gate = WitnessedWatch(mark, LIMIT, ARCHIVE.public)

        with hosts[0].serving():
            lane.append(leaves(3))
            note = lane.publish(now_us=now_us(), cosign=outside.cosign)
            assert [one.name for one in note.signatures[1:]] == ["witness.example/w1"]
            Mark(mark, ARCHIVE, tmp_path / "since").touch(time.time() - LIMIT - 10)
            gate.look(time.time())
            assert not gate.ok

            with hosts[1].serving():
                # The second one is back: the first answer makes it known, the next checkpoint has it.
                assert eventually(
                    lambda: len(lane.publish(now_us=now_us(), cosign=outside.cosign).signatures) == 3
                )
                assert eventually(lambda: gate.look(time.time()) or gate.ok)

        published = (places.data / "ledger/super/checkpoint").read_bytes()
        assert open_checkpoint(published, log_verifier(LOG.public)).checkpoint.size == 3
        assert eventually(lambda: list((places.data / "ledger/timestamps/tsa").glob("*/*.tsr")))
        (stamp,) = (places.data / "ledger/timestamps/tsa").glob("*/*.tsr")
        assert tsa.accepts(stamp, stamp.with_suffix(".checkpoint"))
        assert eventually(lambda: len(list(worm.glob("*/*"))) == 3)
    assert answers("cosigned") > 1
    assert answers("unreachable") > 0


@pytest.mark.req("MOU-2-7")
def test_a_data_folder_and_a_lock_store_restored_together_are_found_out_by_the_witness(
    hosts, places, tmp_path
):
    """Nothing on the log's own machine remembers; the other host does."""
    folder, locks = places.data / "ledger" / "super", tmp_path / "lock.db"
    conflicts = answers("conflict")
    with hosts[0].serving():
        outside = Outside(configured(hosts[:1]), places)
        store = SqliteLockStore.create(locks)
        lane = create_lane(folder, name="super", signer=LOG, locks=store, now_us=now_us())
        lane.append(leaves(5))
        lane.publish(now_us=now_us(), cosign=outside.cosign)
        lane.release()
        store.close()
        shutil.copytree(folder, tmp_path / "backup")
        shutil.copy(locks, tmp_path / "backup.db")

        store = SqliteLockStore(locks)
        lane = open_lane(
            folder, signer=LOG, locks=store, remembered=outside.remembered(log_verifier(LOG.public))
        )
        lane.append(leaves(4, start=5))
        lane.publish(now_us=now_us(), cosign=outside.cosign)
        lane.release()
        store.close()

        shutil.rmtree(folder)
        shutil.copytree(tmp_path / "backup", folder)
        shutil.copy(tmp_path / "backup.db", locks)
        store = SqliteLockStore(locks)
        with pytest.raises(StateError, match="A witness remembers 9 leaves"):
            open_lane(
                folder, signer=LOG, locks=store, remembered=outside.remembered(log_verifier(LOG.public))
            )
        # Somebody who asks nobody at the start is found out by the first checkpoint.
        lane = open_lane(folder, signer=LOG, locks=store)
        lane.append(leaves(2, start=5, mark="other"))
        note = lane.publish(now_us=now_us(), cosign=outside.cosign)
        assert len(note.signatures) == 1
        assert eventually(lambda: answers("conflict") > conflicts)
        outside.close()
        store.close()
