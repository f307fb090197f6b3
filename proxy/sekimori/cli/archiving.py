"""The archivist's process: spool into database, and its figures."""

from __future__ import annotations

import logging
import os

from sqlalchemy import exc as sql

from sekimori import metrics
from sekimori.cli.ending import announce, ends_with
from sekimori.cli.opened import node, now_us, store
from sekimori.cli.orders import Orders
from sekimori.store.archivist import Archivist
from sekimori.store.tokens import Tokens
from sekimori.vault.content import ContentCipher
from sekimori.vault.keys import KeyRing
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

    def alarm(self, sentence: str) -> None:
        """Tell the operator."""
        metrics.ARCHIVIST_FAULTS.labels("alarm").inc()
        logger.error("%s", sentence)


def run(orders: Orders) -> int:
    """Store what stands in the spool until told to stop; then once more, for what was last written."""
    # Behind a gate worker that wants the same core, with enough to keep up: the spool holds what is late.
    os.nice(5)
    places = orders.places
    stop = ends_with(orders.lifeline_fd)
    keys = KeyRing.load_archive(places.keys)
    with store(places) as engine:
        archivist = Archivist(
            places.spool,
            opener=SegmentOpener(keys.archivist_private),
            engine=engine,
            cipher=ContentCipher(keys.data_key),
            tokens=Tokens.under(keys.data_key),
            clock=now_us,
            watch=Counted(),
            node=node(places),
        )
        announce()
        archivist.run_forever(stop)
        try:
            last = archivist.run_once()
        except sql.OperationalError as fault:
            logger.warning(
                "stopped while the database took nothing; the spool keeps the rest: %s", fault.orig
            )
        else:
            logger.info("stopped after %d last entries", last.entries)
    return 0
