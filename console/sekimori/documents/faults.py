"""What is wrong with a document: where it stands, which field it is, and what to do, in two languages."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from sekimori.errors import UsageError


class DocumentFault(msgspec.Struct, frozen=True):
    """One fault; ``sheet`` and ``cell`` are empty when it is about the file."""

    sheet: str
    cell: str
    field: str
    ja: str
    en: str

    def __str__(self) -> str:
        where = "!".join(filter(None, (self.sheet, self.cell)))
        return f"{where}（{self.field}）：{self.ja}" if where else self.ja


class UnreadableDocumentError(UsageError):
    """A document cannot be taken over; nothing of it was."""

    def __init__(self, faults: Iterable[DocumentFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class UnprintableError(UsageError):
    """A document has a character that the font cannot show; written anyway it would say something else."""


def unreadable(ja: str, en: str) -> UnreadableDocumentError:
    """Make the error about a file as a whole."""
    return UnreadableDocumentError([DocumentFault("", "", "", ja, en)])
