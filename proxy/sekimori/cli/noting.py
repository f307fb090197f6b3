"""Notes what a command did to an account, in the command's own transaction, where this process may.

A process without the archive's keys notes nothing: the archivist finds the change and notes that.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlmodel import Session

    from sekimori.cli.places import Places
    from sekimori.store.account_book import AccountBook
    from sekimori.store.people import Account


def account_book(places: Places) -> AccountBook | None:
    """Open the book of what is done to accounts, None where this process has no key of it."""
    from sekimori.cli.opened import new_id, now_us
    from sekimori.store.account_book import AccountBook
    from sekimori.vault.keys import KeyRing

    if not os.access(places.keys / "archive" / "store.key", os.R_OK):
        return None
    return AccountBook(KeyRing.load_store(places.keys), clock=now_us, new_id=new_id)


def note(places: Places, session: Session, account: Account) -> None:
    """Note how an account is now, as done by whoever runs this command."""
    from sekimori.cli.whoami import executing

    if (book := account_book(places)) is not None:
        book.note(session.connection(), [account], by=executing(""))
