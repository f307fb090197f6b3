"""Governance as a command opens it: the store of what is governed, with the rules of the configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sekimori.cli.options import configured, installation

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine

    from sekimori.cli.config import Config
    from sekimori.cli.places import Places
    from sekimori.governance.use_rules import UseRules
    from sekimori.store.governing import Governing
    from sekimori.store.holding import StoreKeys


@dataclass(frozen=True, slots=True)
class Governed:
    """What a command about governance works with."""

    places: Places
    config: Config
    engine: Engine
    keys: StoreKeys
    governing: Governing

    def rules(self, at_us: int) -> UseRules:
        """Give the rules of an instant."""
        from sekimori.cli.use_settings import use_of
        from sekimori.governance.use_rules import use_rules_for

        return use_rules_for(self.config.profile, at_us, use=use_of(self.config))

    def departments(self) -> Callable[[str], str]:
        """Give what names the department of a person, by canonical name."""
        from sekimori.cli.acting import unit_of
        from sekimori.cli.opened import people_names
        from sekimori.store.engine import session
        from sekimori.store.people import PersonRepo

        with session(self.engine) as opened:
            accounts = PersonRepo(opened, people_names(self.places)).list()
        found = {account.name: unit_of(account) for account in accounts}
        return lambda name: found.get(name, "")


@contextmanager
def governed(data: Path, keys: Path, config: Path | None) -> Iterator[Governed]:
    """Open the installation for a while."""
    with governed_at(installation(data, keys, config), configured(config)) as opened:
        yield opened


@contextmanager
def governed_at(places: Places, settings: Config) -> Iterator[Governed]:
    """Open the installation that lies here for a while."""
    from sekimori.cli.opened import new_id, now_us, store, store_keys
    from sekimori.cli.use_settings import use_of
    from sekimori.store.governing import Governing

    opened = store_keys(places)
    with store(places) as engine:
        governing = Governing(
            engine,
            opened,
            clock=now_us,
            new_id=new_id,
            profile=settings.profile,
            settings=use_of(settings),
        )
        yield Governed(places, settings, engine, opened, governing)
