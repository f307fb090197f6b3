"""What is known of one request when it is decided.

Gathered by the caller from the connection, the wire reader and the detector; nothing here looks
anything up. Text that came from the client is untrusted: a declared class is believed only upwards.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that a decision may depend on, so that it can be replayed from its record.

    ``service`` is the id found in the snapshot, else the id in the catalogue, else ``None``;
    ``flagged`` says that the catalogue asks for advice on it. ``flagged_model`` is set where the model
    belongs to a provider that needs advice. ``model_certain`` is false where a model is named but may
    not be the one that the service will take (given twice, undecodable).
    """

    time_us: int
    host: str
    user: str | None = None
    groups: frozenset[str] = frozenset()
    user_source: str = "none"
    service: str | None = None
    flagged: bool = False
    operation: str = "generate"
    model: str | None = None
    model_certain: bool = True
    flagged_model: str | None = None
    declared_class: int | None = None
    detected_class: int = 1
    detected_by: tuple[str, ...] = ()
    my_number: bool = False
    purpose: str | None = None
    information_type: str | None = None
    parse: str = "parsed"
    unread_attachments: int = 0
