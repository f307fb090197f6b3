"""An archivist starts although a rotation that a crash interrupted can't be finished, and alarms."""

from __future__ import annotations

from prometheus_client import REGISTRY

from sekimori.cli import archiving
from sekimori.cli.opened import new_id, now_us, store, store_keys
from sekimori.store.rotating import rotate
from sekimori.store.tables import DATA_KEY
from support.archived import archived
from support.evidence import answered, asked


def alarms():
    return REGISTRY.get_sample_value("sekimori_archivist_faults_total", {"kind": "alarm"}) or 0.0


def test_data_keys_under_an_epoch_that_is_over_are_an_alarm_and_stop_nothing(places, caplog):
    archived(places, asked("R1"), answered("R1"))
    keys = store_keys(places)
    with store(places) as engine:
        rotate(engine, keys, clock=now_us, new_id=new_id, by="os: root")
        keys.kek.create(1)  # as a crash leaves it: the old one is not destroyed yet
        with engine.begin() as connection:
            connection.execute(DATA_KEY.update().values(epoch=1))
        before = alarms()
        archiving.settled(engine, store_keys(places))
    assert alarms() == before + 1
    assert "its key was not destroyed" in caplog.text
    assert 1 in store_keys(places).kek.epochs()
