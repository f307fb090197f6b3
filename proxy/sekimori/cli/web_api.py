"""What the API asks of the rest of the house: governance, accounts and their tokens, the log, reports, keys.

All of it needs the keys of the archive: governance writes leaves, and the log is sealed. A web server that may
not read them (the hardened units) hands all of it on to the governing process, which binds the same.
"""

from __future__ import annotations

import json
import os
import secrets
import ssl
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sekimori.cli.noting import account_book
from sekimori.cli.opened import new_id, now_us, people_names
from sekimori.cli.web_accounts import LocalAccounts
from sekimori.console.api import ApiPorts, Issuer
from sekimori.errors import PolicyUnavailableError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from sekimori.cli.config import Config
    from sekimori.cli.governed import Governed
    from sekimori.cli.places import Places

_KEYS_S, _KEYS_BYTES = 5.0, 1 << 20


def has_keys(places: Places) -> bool:
    """Say whether this process may open the archive's keys."""
    return os.access(places.keys / "archive", os.X_OK)


def governed_on(places: Places, config: Config, engine: Engine) -> Governed:
    """Open governance on a database that is open already."""
    from sekimori.cli.governed import Governed
    from sekimori.cli.opened import store_keys
    from sekimori.cli.use_settings import use_of
    from sekimori.store.governing import Governing

    keys = store_keys(places)
    governing = Governing(
        engine, keys, clock=now_us, new_id=new_id, profile=config.profile, settings=use_of(config)
    )
    return Governed(places, config, engine, keys, governing)


def api_ports(governed: Governed) -> ApiPorts:
    """Bind the API to an installation."""
    from sekimori.store.log import LogReader

    places, config = governed.places, governed.config
    return ApiPorts(
        governing=governed.governing,
        accounts=LocalAccounts(governed.engine, people_names(places), book=account_book(places)),
        records=LogReader(governed.engine, governed.keys, clock=now_us, new_id=new_id),
        explain=lambda question: _explained(places, config, question),
        policy=lambda: _policy(places),
        compliance=lambda: _compliance(governed),
        usage=lambda month: _usage(governed, month),
        clock_us=now_us,
        new_id=new_id,
        random=secrets.token_bytes,
        issuer=issuer(config),
    )


def _explained(places: Places, config: Config, question: Mapping[str, Any]) -> Mapping[str, Any]:
    from sekimori.cli.explaining import Question, answer

    return answer(places, config, Question(**question))


def _policy(places: Places) -> Mapping[str, Any]:
    from sekimori.store.publish import read_current

    try:
        current = read_current(places.policy)
    except PolicyUnavailableError:
        return {"hash": "", "age_s": 0.0}
    return {"hash": current.policy, "age_s": round(max(0.0, (now_us() - current.issued_us) / 1e6), 3)}


def _compliance(governed: Governed) -> Mapping[str, Any]:
    from sekimori.governance.compliance import log_counts, standings
    from sekimori.governance.state import plain
    from sekimori.store.uses import Uses

    uses, until_us = Uses(governed.engine, governed.keys), now_us() + 1
    log = log_counts(uses.decisions(0, until_us), uses.reasons(0, until_us))
    with governed.governing.state() as state:
        return {"rows": plain(list(standings(state, log)))}


def _usage(governed: Governed, month: str) -> Mapping[str, Any]:
    from sekimori.cli.commands.usage import counted
    from sekimori.governance.calendar import jst_date
    from sekimori.governance.issued import month_of
    from sekimori.governance.state import plain

    day = month_of(month) if month else jst_date(now_us()).replace(day=1)
    with governed.governing.state() as state:
        told: Mapping[str, Any] = plain(counted(governed, state, day))
    return told


def issuer(config: Config) -> Issuer | None:
    """Give the issuer that the configuration names, None where it names none."""
    oidc = config.oidc
    if not oidc.issuer:
        return None

    def keys() -> Mapping[str, Any]:
        return _key_set(_fetched(oidc.jwks_url, oidc.ca_file) if oidc.jwks_url else _read(oidc.jwks_file))

    return Issuer(oidc.issuer, oidc.audience, keys, claim=oidc.claim)


def _read(file: str) -> bytes:
    return Path(file).read_bytes()[:_KEYS_BYTES]


def _fetched(url: str, ca_file: str) -> bytes:
    context = ssl.create_default_context(cafile=ca_file or None)
    # The configuration takes https only, and a redirect to another scheme finds no opener here.
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _Straight())
    with opener.open(url, timeout=_KEYS_S) as answer:
        body: bytes = answer.read(_KEYS_BYTES)
    return body


class _Straight(urllib.request.HTTPRedirectHandler):
    """Follows nothing: keys come from where the configuration says."""

    def redirect_request(self, *_args: Any, **_named: Any) -> None:
        """Refuse."""


def _key_set(text: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise OSError("the issuer's keys are no JSON") from error
    return found if isinstance(found, dict) else {}
