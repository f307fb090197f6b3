"""``sekimori verify --witnesses``: what lies here, held against what somebody else remembers."""

import asyncio
import shutil

import pytest

from sekimori.cli.archiving import archivist_of
from sekimori.cli.opened import store
from sekimori.cli.orders import Orders
from sekimori.cli.outside import Outside
from sekimori.cli.trees import lock_store, log_keys
from sekimori.ledger.spool import SpoolSettings, open_spool
from sekimori.ledger.tlog.checkpoint import log_verifier
from sekimori.ledger.tlog.keys import KeySigner
from sekimori.ledger.tlog.leaf import LeafSigner
from sekimori.vault.keys import KeyRing
from sekimori.vault.sealing import SegmentSealer
from support.evidence import answered, asked
from support.outside import WitnessHost
from support.spool import keyed


def spooled(places, lane, *entries):
    async def write():
        keys = KeyRing.load_recorder(places.keys)
        sealer, signer = SegmentSealer(keys.archivist_public), LeafSigner(KeySigner(keys.signing_key))
        settings = SpoolSettings(segment_bytes=1 << 20, min_free=0, record_timeout=30.0)
        writer = open_spool(places.spool, lane, seal=sealer, signer=signer, settings=settings)
        for entry in entries:
            await writer.append(keyed(entry))
        await asyncio.to_thread(writer.close)

    asyncio.run(write())


def archived(places, config, lane, *entries):
    """Bring entries into the database and the trees, and have the witness cosign them."""
    spooled(places, lane, *entries)
    orders = Orders(data=str(places.data), keys=str(places.keys), config=config, lifeline_fd=-1)
    outside = Outside(orders.settings.ledger, places)
    try:
        with store(places) as engine, lock_store(places) as locks:
            archivist = archivist_of(orders, engine, locks, outside)
            archivist.run_once()
            archivist.close()
    finally:
        outside.close()


@pytest.fixture
def host(tmp_path, places):
    made = WitnessHost(tmp_path / "host")
    log_keys(places).make("super")
    made.add_log(log_verifier(log_keys(places).publics()["super"]).vkey)
    return made


@pytest.fixture
def configured(host, tmp_path):
    file = tmp_path / "sekimori.toml"
    file.write_text(
        f'[[ledger.witnesses]]\nname = "w1"\nurl = "{host.url}"\nvkey = "{host.vkey}"\n', encoding="utf-8"
    )
    return file, {"ledger": {"witnesses": [{"name": "w1", "url": host.url, "vkey": host.vkey}]}}


@pytest.mark.req("MOU-2-7", "MOU-2-8")
def test_data_and_keys_that_were_both_taken_back_are_named(run, places, host, configured, tmp_path):
    file, config = configured
    ask = ("verify", "--witnesses", "--json", "--config", file)
    with host.serving():
        archived(places, config, "w0-1", asked("R1"), answered("R1"))
        done = run(*ask)
        (report,) = done.lines
        assert (done.code, report["ok"]) == (0, True)
        assert [(one["name"], one["log"]) for one in report["witnesses"]] == [("w1", "super")]
        for folder in (places.data, places.keys):
            shutil.copytree(folder, tmp_path / "before" / folder.name)

        archived(places, config, "w0-2", asked("R2"), answered("R2"))
        assert run(*ask).code == 0
        for folder in (places.data, places.keys):
            shutil.rmtree(folder)
            shutil.copytree(tmp_path / "before" / folder.name, folder)
        assert run("verify").code == 0  # nobody here knows better
        done = run(*ask)
        (report,) = done.lines
        assert done.code == 1
        (fault,) = report["faults"]
        assert (fault["table"], fault["key"], fault["what"]) == ("tree", "super", "missing")
        assert "a witness (w1) remembers" in fault["detail"]
    done = run(*ask)
    assert (done.code, "too few witnesses" in done.err) == (2, True)


def test_without_a_witness_there_is_nobody_to_ask(run):
    done = run("verify", "--witnesses")
    assert (done.code, "No witness is configured" in done.err) == (2, True)
