"""The archivist's process: spool into database and trees, what is remembered outside, and its figures."""

from __future__ import annotations

import gc
import hmac
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlalchemy import Engine
from sqlalchemy import exc as sql

from sekimori import metrics
from sekimori.cli.ending import announce, ends_with
from sekimori.cli.opened import new_id, node, now_us, people_names, store, store_keys
from sekimori.cli.orders import Orders
from sekimori.cli.outside import Outside
from sekimori.cli.trees import lock_store, log_keys
from sekimori.cli.use_settings import use_of
from sekimori.errors import KeyAccessError
from sekimori.governance.use_rules import use_rules_for
from sekimori.ledger.tlog.keys import KeySigner, known_writers
from sekimori.ledger.tlog.note import NoteSignature
from sekimori.ledger.tlog.seams import LockStore
from sekimori.store.account_book import AccountBook, FindingAccounts
from sekimori.store.allowance import Allowance
from sekimori.store.archivist import Archivist
from sekimori.store.counting import Counting
from sekimori.store.governing import Governing
from sekimori.store.governing.ticking import Ticking
from sekimori.store.holding import StoreKeys
from sekimori.store.recent import Recent
from sekimori.store.retiring import Retirer, Retiring
from sekimori.store.reviewing import Reviewing
from sekimori.store.rotating import settle
from sekimori.store.statements import required
from sekimori.store.trees import Figures, TreeKeeper
from sekimori.store.uses import Uses
from sekimori.vault.keys import KeyRing
from sekimori.vault.rotation import UnsettledError
from sekimori.vault.sealing import SegmentOpener

logger = logging.getLogger(__name__)


class Counted:
    """Turns what the archivist notices into figures and lines of the log."""

    def archived(self, entries: int, content_bytes: int) -> None:  # noqa: ARG002 (the gate counts bytes)
        """Count entries."""
        metrics.ARCHIVED.labels("entry").inc(entries)

    def crashed(self, exchanges: int) -> None:
        """Count exchanges whose worker died."""
        metrics.ARCHIVED.labels("unknown-crash").inc(exchanges)
        logger.warning("%d exchanges of a dead worker were closed as unknown-crash", exchanges)

    def torn(self, lane: str, torn_bytes: int) -> None:
        """Count bytes that nobody was told were durable."""
        metrics.ARCHIVIST_FAULTS.labels("torn").inc()
        logger.warning(
            "lane %s ends with %d torn bytes, which nobody was told were durable", lane, torn_bytes
        )

    def busy(self, reason: str) -> None:
        """Count refusals of the database."""
        metrics.ARCHIVIST_FAULTS.labels("busy").inc()
        logger.warning("the database does not take anything now: %s", reason)

    def shared(self, lane: str, slots: int, sentence: str) -> None:
        """Count what a lane names beyond the data keys that it may draw; tell of it once an hour."""
        metrics.ARCHIVIST_FAULTS.labels("shared-key").inc(slots)
        if sentence:
            self.alarm(sentence)
        logger.warning("lane %s: %d new people, classes and months share its data key", lane, slots)

    def alarm(self, sentence: str) -> None:
        """Tell the operator."""
        metrics.ARCHIVIST_FAULTS.labels("alarm").inc()
        logger.error("%s", sentence)

    def ledger(self, figures: Figures) -> None:
        """Show how the trees stand."""
        metrics.CHECKPOINT_AGE.set(figures.checkpoint_age_seconds)
        metrics.LEAVES_WAITING.set(figures.leaves_waiting)
        metrics.LEDGER_TREES.set(figures.trees)


def run(orders: Orders) -> int:
    """Store what stands in the spool until told to stop; then once more, for what was last written."""
    # Behind a gate worker that wants the same core, with enough to keep up: the spool holds what is late.
    os.nice(5)
    places = orders.places
    stop = ends_with(orders.lifeline_fd)
    signer = KeySigner(KeyRing.load_archive(places.keys).signing_key)
    outside = Outside(orders.settings.ledger, places, signer)
    with store(places) as engine, lock_store(places) as locks:
        settled(engine, store_keys(places))
        archivist = archivist_of(orders, engine, locks, outside)
        outside.start()
        # What was made at the start stays; a batch makes tens of thousands of objects that go with it.
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        announce()
        archivist.run_forever(stop)
        try:
            last = archivist.run_once()
            archivist.close()
        except sql.OperationalError as fault:
            logger.warning(
                "stopped while the database took nothing; the spool keeps the rest: %s", fault.orig
            )
        else:
            logger.info("stopped after %d last entries", last.entries)
        finally:
            outside.close()
    return 0


def settled(engine: Engine, keys: StoreKeys) -> None:
    """Finish a rotation that a crash interrupted; alarm where that can't be done unseen, and go on."""
    try:
        settle(engine, keys)
    except UnsettledError as fault:
        # What stands in the spool must be stored all the same.
        Counted().alarm(str(fault))


def archivist_of(orders: Orders, engine: Engine, locks: LockStore, outside: Outside) -> Archivist:
    """Put the archivist of an installation together."""
    places, ledger = orders.places, orders.settings.ledger
    keys, watch = KeyRing.load_archive(places.keys), Counted()
    opened = replace(store_keys(places), allowance=Allowance(told=watch.shared))
    recent = Recent()
    keeper = TreeKeeper(
        engine,
        folder=places.ledger,
        logs=log_keys(places).folder,
        locks=locks,
        signing=required(opened.signing),
        cipher=opened.cipher,
        clock=now_us,
        watch=watch,
        cosign=outside.cosign,
        enough=_enough(ledger.needed) if ledger.witnesses else None,
        remembered=outside.remembered,
        node=node(places),
    )
    return Archivist(
        places.spool,
        opener=SegmentOpener(keys.archivist_private),
        engine=engine,
        keys=opened,
        keeper=keeper,
        writers=known_writers(keys.writers),
        clock=now_us,
        watch=watch,
        node=node(places),
        chores=_chores(orders, engine, opened, watch, recent),
        recent=recent,
    )


def _chores(
    orders: Orders, engine: Engine, keys: StoreKeys, watch: Counted, recent: Recent
) -> list[Callable[[], bool]]:
    """Say what is done beside the spool: what governance is due and is told, and the end of what is kept."""
    settings = orders.settings
    governing = Governing(
        engine, keys, clock=now_us, new_id=new_id, profile=settings.profile, settings=use_of(settings)
    )
    counting = Counting(
        engine,
        keys,
        governing,
        clock=now_us,
        alarm=watch.alarm,
        sample_key=hmac.digest(keys.store_key, b"sample", "sha256"),
        recent=recent,
    )
    reviewing = Reviewing(
        governing,
        Uses(engine, keys),
        rules_of=lambda at_us: use_rules_for(settings.profile, at_us, use=use_of(settings)),
        clock=now_us,
        alarm=watch.alarm,
    )
    chores = [Ticking(governing, clock=now_us, alarm=watch.alarm).step, counting.step, reviewing.step]
    try:
        book = AccountBook(keys.store_key, clock=now_us, new_id=new_id)
        names = people_names(orders.places)
        chores.append(FindingAccounts(engine, names, book, clock=now_us, alarm=watch.alarm).step)
    except KeyAccessError as error:
        # Keys of an older release: what commands do is noted by themselves, and the record goes first.
        logger.warning("accounts are not held against what was noted of them: %s", error.message)
    if settings.retention.automatic:
        retirer = Retirer(engine, keys, settings.retention.periods(), clock=now_us, new_id=new_id)
        chores.append(Retiring(engine, retirer, clock=now_us, alarm=watch.alarm).step)
    return chores


def _enough(needed: int) -> Callable[[Sequence[NoteSignature]], bool]:
    """Say when a checkpoint has its witnesses."""
    return lambda signatures: len({signature.name for signature in signatures}) >= needed
