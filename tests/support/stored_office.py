"""An office whose every command also goes into the store of an installation, as its people would send it."""

from __future__ import annotations

from sekimori.cli.config import Config
from sekimori.cli.opened import new_id, people_names, store, store_keys, store_session
from sekimori.cli.use_settings import use_of
from sekimori.store.governing import Governing
from sekimori.store.people import PersonRepo
from sekimori.vault.passwords import hash_password
from support.offices import HANAKO, JIRO, RIN, SAKI, SHO, TARO
from support.using_offices import UsingOffice

PASSWORD = "a password of a person"
PEOPLE = (HANAKO, JIRO, RIN, SAKI, SHO, TARO)


class StoredOffice(UsingOffice):
    """Thinks in memory, where its steps read, and writes the same commands into the store."""

    def __init__(self, engine, keys, profile="enterprise", *, at_us):
        super().__init__(profile, at_us=at_us)
        self.governing = Governing(
            engine,
            keys,
            clock=lambda: self.at_us,
            new_id=new_id,
            profile=profile,
            settings=use_of(Config(profile=profile)),
        )

    def do(self, actor, *commands):
        for command in commands:
            self.governing.perform(command, actor)
        return super().do(actor, *commands)


def stored(places, act, *, at_us, profile="enterprise"):
    """Let ``act`` happen in an office of the installation; give the office."""
    with store(places) as engine:
        office = StoredOffice(engine, store_keys(places), profile, at_us=at_us)
        act(office)
    return office


def with_accounts(places, now_us):
    """Give each of the office's people an account with their roles; their unit is their first group."""
    with store_session(places) as session:
        people = PersonRepo(session, people_names(places))
        for each in PEOPLE:
            people.add(
                each.name,
                now_us=now_us,
                groups=[each.unit],
                roles=sorted(each.roles),
                password=hash_password(PASSWORD),
            )
