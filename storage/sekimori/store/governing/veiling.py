"""What people wrote with their feedback, sealed under their own data key inside what is governed.

An answer is evidence and stays; the words beside it are somebody's, and an erasure must reach them. So the
aggregate and its event hold a ciphertext from the beginning, and its key is the data key of whoever wrote it, of
the class ``feedback`` and the month. When that key is destroyed nothing else changes: digests, commitments, leaves
and proofs are over the ciphertext. No record lies under such a key, so that it is never replaced, only wrapped anew.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection

from sekimori.errors import IntegrityError
from sekimori.governance.change import Change, Event
from sekimori.governance.conversation import Conversation
from sekimori.governance.feedback import Feedback
from sekimori.governance.state import Aggregate, State, digest
from sekimori.store.holding import StoreKeys
from sekimori.store.keyrows import SqlKeyRows
from sekimori.store.retention import FEEDBACK, subject_slot
from sekimori.vault.aead import seal, unseal
from sekimori.vault.datakey import DataKey
from sekimori.vault.derive import derive
from sekimori.vault.hierarchy import KeyHierarchy
from sekimori.vault.slots import DATA_KEY_ID_BYTES

ERASED = "（消去済み / erased）"
"""What is shown in place of a text whose key was destroyed."""

_PREFIX = "sealed:1:"


class Veil:
    """Seals and opens the text of feedback on one connection; a text of an older release is shown as it is."""

    def __init__(self, connection: Connection, keys: StoreKeys, random: Callable[[int], bytes]) -> None:
        self._keys = KeyHierarchy(SqlKeyRows(connection), keys.kek, random=random, cache=keys.cache)
        self._random = random

    def drawn(self, change: Change) -> Change:
        """Give a change as it is kept: texts sealed, and the digests of what holds them."""
        kept = {
            value.id: self._sealed(value, change.state)
            for value in change.values
            if isinstance(value, Feedback) and value.text
        }
        if not kept:
            return change
        values = tuple(
            kept.get(value.id, value) if isinstance(value, Feedback) else value for value in change.values
        )
        events = tuple(_told(event, kept) for event in change.events)
        return Change(change.state, events, values)

    def lifted[A: Aggregate](self, value: A) -> A:
        """Give an aggregate as it is shown."""
        if not isinstance(value, Feedback) or not value.text.startswith(_PREFIX):
            return value
        return msgspec.structs.replace(value, text=self._opened(value.text, value.tenant, value.id))

    def lifted_event(self, event: Event) -> Event:
        """Give an event as it is shown."""
        text = event.changed.get("text", "") if event.noun == Feedback.noun else ""
        if not text.startswith(_PREFIX):
            return event
        shown = {**event.changed, "text": self._opened(text, event.tenant, event.id)}
        return msgspec.structs.replace(event, changed=shown)

    def lifted_change(self, change: Change) -> Change:
        """Give what a request led to before as it is shown."""
        values = tuple(self.lifted(value) for value in change.values)
        events = tuple(self.lifted_event(event) for event in change.events)
        return Change(State(change.state.tenant).put(*values), events, values)

    def _sealed(self, value: Feedback, state: State) -> Feedback:
        key = self._keys.data_key(subject_slot(_whose(value, state), FEEDBACK, value.at_us))
        place = _place(value.tenant, value.id)
        sealed = key.id + seal(_cipher(key), value.text.encode(), place, self._random)
        return msgspec.structs.replace(value, text=_PREFIX + base64.b64encode(sealed).decode())

    def _opened(self, text: str, tenant: str, id_: str) -> str:
        try:
            sealed = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
        except binascii.Error as error:
            raise IntegrityError(f"The text of feedback {id_} is not what was sealed.") from error
        key = self._keys.find_data_key(sealed[:DATA_KEY_ID_BYTES])
        if key is None:
            return ERASED
        what = f"The text of feedback {id_}"
        return unseal(_cipher(key), sealed[DATA_KEY_ID_BYTES:], _place(tenant, id_), what).decode()


def _whose(value: Feedback, state: State) -> str:
    """Say whose words they are: what an agent says is its owner's."""
    if value.source != "agent":
        return value.by
    talk = state.get(Conversation, value.conversation)
    return talk.owner or talk.subject


def _told(event: Event, kept: dict[str, Feedback]) -> Event:
    value = kept.get(event.id) if event.noun == Feedback.noun else None
    if value is None:
        return event
    changed: dict[str, Any] = {**event.changed, "text": value.text}
    return msgspec.structs.replace(event, changed=changed, digest=digest(value))


def _cipher(key: DataKey) -> AESGCM:
    return AESGCM(derive(key.key, b"feedback"))


def _place(tenant: str, id_: str) -> bytes:
    return b"sekimori/v1/feedback\0" + tenant.encode() + b"\0" + id_.encode()
