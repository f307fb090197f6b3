"""What is derived from entries: index, tokens, readings, tags of answers, links between texts.

All of it is compared at once for a piece of a lane; only where something differs is each row looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection, select

from sekimori.errors import IntegrityError
from sekimori.ledger.record import Entry as SpoolEntry
from sekimori.ledger.record import Intent, Outcome, Part
from sekimori.store.clearing import NOTHING
from sekimori.store.months import month_of
from sekimori.store.rows import READING as READING_MODE
from sekimori.store.rows import Answer, Row, index_intent, index_outcome, index_unanswered, reading_row
from sekimori.store.tables import LINK, OUTPUT_TAG, READING, RECORD, SEARCH
from sekimori.store.tokens import FIELDS, Tokens, values_of
from sekimori.store.verifying.bulk import among, rows_of
from sekimori.store.verifying.entry import Entry, View
from sekimori.store.verifying.faults import Fault, differences
from sekimori.store.verifying.opening import Keys
from sekimori.vault.outputs import OutputTagRow, tagged

Index = tuple[object, ...]
"""A row of ``record``, its columns in their order."""

_RECORD = tuple(str(column.name) for column in RECORD.columns)
_LANE, _N, _TIME = _RECORD.index("lane"), _RECORD.index("n"), _RECORD.index("time_us")
_ANSWERED, _OUTCOME = _RECORD.index("state"), _RECORD.index("outcome_n")
"""Where the columns begin that an outcome decides, and the one that tells whether there is any."""
_SORTED = sorted(FIELDS)
_Token = tuple[str, str, int, bytes]


def records_of(connection: Connection, rids: Collection[str]) -> tuple[dict[str, Index], list[Fault]]:
    """Return the index rows of these records; one that is there twice is a fault."""
    records: dict[str, Index] = {}
    faults = []
    for row in (
        rows_of(connection, select(RECORD).where(among(connection, RECORD.c.rid, rids))) if rids else ()
    ):
        if row[0] in records:
            faults.append(Fault("record", row[0], "extra", "it is there twice"))
        records[row[0]] = row
    return records, faults


def by_name(record: Index | None) -> Row | None:
    """Return the columns of an index row by their names; none of one that holds other kinds of values."""
    if record is None or not isinstance(record[_TIME], int):
        return None
    return dict(zip(_RECORD, record, strict=True))


class IndexCheck:
    """Compares one piece of a lane with everything that was derived from it."""

    def __init__(self, view: View, entries: Sequence[Entry], records: Mapping[str, Index]) -> None:
        self._view = view
        self._connection = view.connection
        self._entries = entries
        self._records = records

    def run(self, keys: Keys) -> None:
        """Note what differs with the entries."""
        self._index()
        if self._view.tokens is not None:
            self._search(self._view.tokens)
        self._readings()
        self._tags(keys)
        self._links()

    def _index(self) -> None:
        for entry in self._entries:
            record = self._records.get(entry.rid)
            if record is None:
                entry.fault("record", "missing", f"entry {entry.name} has none", key=entry.rid)
            elif entry.gone is not None or entry.said is None or not _says(record, entry, entry.said):
                self._differences(entry, dict(zip(_RECORD, record, strict=True)))

    def _differences(self, entry: Entry, record: Row) -> None:
        meant = _meant(entry, entry.said, record) if entry.said else _left(entry, record)
        if not meant.items() <= record.items():
            entry.faults = (*entry.faults, *differences("record", entry.rid, record, meant))

    def _search(self, tokens: Tokens) -> None:
        """Compare the tokens of those intents that the index shows: a second one has none."""
        owners: dict[str, Entry] = {}
        for entry in self._entries:
            if entry.said is None:
                if entry.gone is not None:
                    owners.setdefault(entry.rid, entry)
            elif type(entry.said) is Intent and self._is_shown(entry):
                owners[entry.rid] = entry
        meant: list[_Token] = []
        for rid in sorted(owners):
            intent = owners[rid].said
            if isinstance(intent, Intent):
                month, time_us, values = month_of(intent.time_us), intent.time_us, values_of(intent)
                meant += [
                    (rid, field, time_us, tokens.token(field, value, month))
                    for field in _SORTED
                    if (value := values[field])
                ]
        query = select(SEARCH.c.rid, SEARCH.c.field, SEARCH.c.time_us, SEARCH.c.token)
        query = query.where(among(self._connection, SEARCH.c.rid, owners))
        said = rows_of(self._connection, query.order_by(SEARCH.c.rid, SEARCH.c.field))
        # A database may sort texts as a language does.
        if said != meant and sorted(said) != meant:
            _name_tokens(owners, set(said), set(meant))

    def _is_shown(self, entry: Entry) -> bool:
        record = self._records.get(entry.rid)
        return record is None or (record[_LANE], record[_N]) == (entry.lane, entry.n)

    def _readings(self) -> None:
        meant = {
            entry.rid: (entry, entry.said)
            for entry in self._entries
            if isinstance(entry.said, Intent) and entry.said.mode == READING_MODE
        }
        if not meant:
            return
        query = select(READING).where(READING.c.rid.in_(meant))
        said = {row["rid"]: dict(row) for row in self._connection.execute(query).mappings()}
        for rid, (entry, intent) in meant.items():
            if rid not in said:
                entry.fault("reading", "missing", key=rid)
            else:
                entry.faults = (*entry.faults, *differences("reading", rid, said[rid], reading_row(intent)))

    def _tags(self, keys: Keys) -> None:
        """Make the tags of answers again from what is kept of each."""
        answers = {entry.rid: entry for entry in self._entries if entry.kind == "outcome"}
        missed = {
            rid for rid, entry in answers.items() if entry.kept and entry.kept.tagged and entry.gone is None
        }
        query = select(OUTPUT_TAG.c.rid, OUTPUT_TAG.c.tag, OUTPUT_TAG.c.sealed)
        query = query.where(among(self._connection, OUTPUT_TAG.c.rid, answers))
        for rid, tag, sealed in rows_of(self._connection, query):
            entry, record = answers[rid], keys.living.get(rid)
            missed.discard(rid)
            if record is None or entry.gone is not None:
                if entry.gone is not None:
                    entry.fault("output_tag", "extra", "its record was erased", key=rid)
                continue
            try:
                if tagged(OutputTagRow(rid, tag, sealed), record.cipher, record.data_key).tag != tag:
                    entry.fault("output_tag", "altered", key=rid)
            except IntegrityError as error:
                entry.fault("output_tag", "altered", error.message, key=rid)
        for rid in sorted(missed):
            answers[rid].fault("output_tag", "missing", "its answer can't be found by its text", key=rid)

    def _links(self) -> None:
        """Compare what is noted of which text refers to which with the texts themselves."""
        owners = {entry.rid: entry for entry in self._entries if entry.links is not None}
        meant = {(rid, other) for rid, entry in owners.items() if entry.links for other in entry.links}
        query = select(LINK.c.rid, LINK.c.refers).where(among(self._connection, LINK.c.rid, owners))
        said = set(rows_of(self._connection, query))
        for rid, other in sorted(meant ^ said):
            what = "missing" if (rid, other) in meant else "extra"
            owners[rid].fault("link", what, key=f"{rid}/{other}")  # type: ignore[arg-type]


def _says(record: Index, entry: Entry, said: SpoolEntry) -> bool:
    """Tell whether the index says exactly what it must of an entry; the columns stand in the rows' order."""
    kind = type(said)
    if kind is Intent:
        if record[:_ANSWERED] != tuple(index_intent(entry.lane, entry.n, said).values()):  # type: ignore[arg-type]
            return False
        return record[_OUTCOME] is not None or record[_ANSWERED:] == tuple(index_unanswered(said).values())  # type: ignore[arg-type]
    if kind is Outcome:
        answer = (entry.kept.answer if entry.kept else None) or Answer()
        return record[_ANSWERED:] == tuple(index_outcome(entry.lane, entry.n, said, answer).values())  # type: ignore[arg-type]
    return True


def _meant(entry: Entry, said: SpoolEntry, record: Row) -> Row:
    """Return what the index must say of an entry that opened."""
    if isinstance(said, Part):
        return {}  # it only adds to the prompt; that its record is there was all to check
    if isinstance(said, Outcome):
        return index_outcome(entry.lane, entry.n, said, (entry.kept and entry.kept.answer) or Answer())
    index = index_intent(entry.lane, entry.n, said)
    return index | index_unanswered(said) if record["outcome_n"] is None else index


def _left(entry: Entry, record: Row) -> Row:
    """Return what it still says of a record whose keys are gone: where it stood, and when."""
    if entry.gone is None:
        return {}
    if entry.kind == "part":
        return NOTHING
    if entry.kind == "outcome":
        return NOTHING | {"outcome_lane": entry.lane, "outcome_n": entry.n, "ended_us": entry.time_us}
    said = NOTHING | {"lane": entry.lane, "n": entry.n, "time_us": entry.time_us}
    if entry.policy is not None:
        said |= {"policy": entry.policy}
    return said | ({"outcome_lane": None, "ended_us": None} if record["outcome_n"] is None else {})


def _name_tokens(owners: Mapping[str, Entry], said: set[_Token], meant: set[_Token]) -> None:
    """Name each token that is missing, too much, or another than it must be."""
    there, wanted = {token[:2] for token in said}, {token[:2] for token in meant}
    for rid, field in sorted({token[:2] for token in said ^ meant}):
        where = (rid, field)
        what = "altered" if where in there and where in wanted else "missing" if where in wanted else "extra"
        owners[rid].fault("search", what, key=f"{rid}/{field}")  # type: ignore[arg-type]
