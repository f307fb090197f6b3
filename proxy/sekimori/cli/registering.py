"""What the publisher, and whoever looks over its shoulder, take from the register."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from sekimori.cli.compiling import flags_by
from sekimori.cli.opened import people_names, store_keys
from sekimori.cli.use_settings import use_of
from sekimori.governance.use_rules import UseRules, use_rules_for
from sekimori.store.governing import changed_since
from sekimori.store.registered import GrantRegister, RulesAt, StandingRegister

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from sekimori.catalogue.catalogue import Catalogue
    from sekimori.cli.config import Config
    from sekimori.cli.places import Places
    from sekimori.governance.state import Aggregate
    from sekimori.store.mirror import Changes


def rules_of(config: Config) -> RulesAt:
    """Give the rules of an installation at an instant."""

    def rules(at_us: int) -> UseRules:
        return use_rules_for(config.profile, at_us, use=use_of(config))

    return rules


def grant_register(places: Places, config: Config, catalogue: Catalogue) -> GrantRegister:
    """Compose what gives the grants of the register to the compiler."""
    return GrantRegister(
        _changes(places),
        rules_of(config),
        catalogue_flags=flags_by(catalogue),
        flagged_models=catalogue.flagged_models,
    )


def standing_register(places: Places, config: Config) -> StandingRegister:
    """Compose what gives the standing."""
    return StandingRegister(
        _changes(places), rules_of(config), people_names(places), notices_required=config.notices.required
    )


def _changes(places: Places) -> Changes:
    keys = store_keys(places)

    def changes(
        connection: Connection, nouns: Collection[str], after: int
    ) -> Iterator[tuple[int, Aggregate]]:
        return changed_since(connection, keys, after, nouns=nouns)

    return changes
