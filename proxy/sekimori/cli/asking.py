"""What the configured witnesses remember of this machine's newest super-log, asked for by ``verify --witnesses``."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sekimori.cli.config import Config
from sekimori.cli.places import Places
from sekimori.cli.trees import log_keys
from sekimori.errors import SekimoriError, StateError, UsageError
from sekimori.ledger.outside.http import Remote, trusting
from sekimori.ledger.tlog.checkpoint import log_verifier
from sekimori.ledger.tlog.note import Verifier, parse_vkey
from sekimori.ledger.witness.client import WitnessClient
from sekimori.store.superlog_keeper import names_of_super
from sekimori.store.verifying.recalled import Recalled


@dataclass(frozen=True, slots=True)
class Asked:
    """What witnesses said, why others said nothing, and how many must have spoken."""

    recalled: tuple[Recalled, ...]
    silent: tuple[str, ...]
    needed: int

    def expect_enough(self) -> None:
        """Raise StateError where too few witnesses spoke: nothing that is here shows that it is the newest."""
        if len(self.recalled) < self.needed:
            raise StateError(
                "No fault was found here, but too few witnesses said what they remember: "
                + " ".join(self.silent),
                hint="Ask again when they answer; ledger.quorum says how many are needed.",
            )


def recall(places: Places, config: Config) -> Asked:
    """Ask every witness; raises UsageError where none is configured or nothing was logged yet."""
    ledger, keys = config.ledger, log_keys(places)
    if not ledger.witnesses:
        raise UsageError(
            "No witness is configured.", hint="Name it in [ledger] of the configuration: --config."
        )
    if not (names := names_of_super(keys)):
        raise UsageError("No log was begun yet, so no witness can remember any.")
    # Those before it were given up: who compares them finds what the fork says already.
    name, log = names[-1], log_verifier(keys.publics()[names[-1]])
    recalled, silent = [], []
    for one in ledger.witnesses:
        remote = Remote(one.url, trusting(one.ca_file))
        client = WitnessClient(one.name, remote, parse_vkey(one.vkey), lambda: int(time.time()))
        try:
            recalled.append(_ask(client, name, log))
        except SekimoriError as error:
            silent.append(f"{one.name}: {error.message}")
    return Asked(tuple(recalled), tuple(silent), ledger.needed)


def _ask(client: WitnessClient, name: str, log: Verifier) -> Recalled:
    checkpoint = client.remembered(log)
    if checkpoint is None:
        raise StateError(f"It never cosigned {name}.")
    return Recalled(client.name, name, checkpoint)
