"""How late the archivist is, told from its markers alone."""

import pytest

from sekimori.addons.backlog import Backlog
from sekimori.ledger.lanes import Position, mark_shipped
from sekimori.ledger.record import Intent
from sekimori.ledger.spool import open_spool
from sekimori.vault.keys import KeyRing
from sekimori.vault.sealing import SegmentSealer
from support.spool import SIGNER


@pytest.fixture
def write(tmp_path):
    keys = KeyRing.create(tmp_path / "keys").load_recorder(tmp_path / "keys")

    async def write_one(lane):
        sealer = SegmentSealer(keys.archivist_public)
        writer = open_spool(tmp_path / "spool", lane, seal=sealer, signer=SIGNER)
        await writer.append(Intent(rid="A" * 20, key=bytes(32), time_us=1))
        writer.close()

    return write_one


async def test_an_entry_that_nobody_takes_grows_old(tmp_path, write):
    await write("w0-1")
    backlog = Backlog(tmp_path / "spool")
    assert [backlog.seconds(at) for at in (100.0, 130.0, 161.0)] == [0.0, 30.0, 61.0]


async def test_every_step_of_the_archivist_starts_the_count_anew(tmp_path, write):
    await write("w0-1")
    backlog = Backlog(tmp_path / "spool")
    backlog.seconds(100.0)
    assert backlog.seconds(150.0) == 50.0
    mark_shipped(tmp_path / "spool" / "w0-1", Position(segment=1, offset=1, frame=0, n=0))
    assert backlog.seconds(151.0) == 0.0
    assert backlog.seconds(161.0) == 10.0


async def test_the_slowest_lane_counts(tmp_path, write):
    await write("w0-1")
    backlog = Backlog(tmp_path / "spool")
    backlog.seconds(100.0)
    await write("w1-1")
    assert backlog.seconds(120.0) == 20.0


def test_an_empty_spool_is_never_late(tmp_path):
    assert Backlog(tmp_path / "spool").seconds(100.0) == 0.0
