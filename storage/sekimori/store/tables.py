"""Every table of the store, once.

Evidence: ``entry`` and ``content`` (sealed, append-only), ``lane`` and ``lane_list`` (sealed counters,
so that a cut tail or a removed lane shows), ``reading`` (which content was read), ``policy_version``
(the compiled snapshots that decisions name). Derived: ``record``, the index that ``log list`` walks, and
``search``, its keyed tokens. The rest: accounts, policy documents, invitations, and two for housekeeping.

The ledger: each ``entry`` has the envelope and leaf that its writer signed, and the place (``tree``,
``idx``) that the archivist gave it; ``statement`` holds the leaves that the archivist signs itself, ``event``
what commands ask it to state, ``tree`` the next place of each tree. Keys, all wrapped: ``key_epoch``,
``data_key``, ``record_key``. Text that is stored once: ``chunk``, ``anchor``, ``link``. ``output_tag`` finds
an answer by its text, ``hold`` keeps what may not be erased.

Governance: ``governed`` is each thing as it is now, ``governed_event`` all that happened to it, each held by a
leaf; ``governed_key`` finds things by what they say, ``governed_once`` knows requests that come twice.

Times are integer microseconds, UTC: what a database renders as a date it may also round. Lists of
codes are text separated by blanks.
No column holds prompt text, a name, or a hash of either without a key: those lie inside ``sealed``.

The keys named here are the true ones. On PostgreSQL the tables of ``PARTITIONED`` lie in a part for each
month, and a primary key there must hold the time as well: ``(lane, n, time_us)``, ``(rid, time_us)``. It
still refuses an entry that comes twice, since what comes twice has the same time; that a lane has one
entry ``n`` in all months together is kept by the lane's counter, which moves under its row's lock in the
transaction that stores the entry.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    Text,
    text,
)
from sqlmodel import Field, SQLModel

OPEN = "open"
_OPEN_ONLY = text("state = 'open'")
_UNPLACED = text("idx IS NULL")
_WAITING = text("idx IS NULL AND length(leaf) > 0")
"""Entries from before the ledger have no leaf, and wait for no place."""
_UNSTATED = text("NOT placed")
_DUE = text("due_us IS NOT NULL")


class EntryRow(SQLModel, table=True):
    """One spool entry as its worker numbered it; the sealed part holds all of it but the body."""

    __tablename__ = "entry"
    __table_args__ = (
        Index("entry_unplaced", "time_us", sqlite_where=_WAITING, postgresql_where=_WAITING),
        Index("entry_by_place", "tree", "idx"),
    )
    lane: str = Field(sa_column=Column(Text, primary_key=True))
    n: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    rid: str = Field(sa_column=Column(Text, nullable=False))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    time_us: int = Field(sa_column=Column(BigInteger, nullable=False))
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    envelope: bytes = Field(default=b"", sa_column=Column(LargeBinary, nullable=False))
    leaf: bytes = Field(default=b"", sa_column=Column(LargeBinary, nullable=False))
    tree: str = Field(default="", sa_column=Column(Text, nullable=False))
    idx: int | None = Field(default=None, sa_column=Column(BigInteger))


class ContentRow(SQLModel, table=True):
    """The stored bytes of one entry's body, sealed; an entry without a body has no row here."""

    __tablename__ = "content"
    lane: str = Field(sa_column=Column(Text, primary_key=True))
    n: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    rid: str = Field(sa_column=Column(Text, nullable=False))
    time_us: int = Field(sa_column=Column(BigInteger, nullable=False))
    part: str = Field(sa_column=Column(Text, nullable=False))
    sealed_sha256: str = Field(sa_column=Column(Text, nullable=False))
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class RecordRow(SQLModel, table=True):
    """What ``log list`` walks: one row an exchange, derived from its one or two entries."""

    __tablename__ = "record"
    __table_args__ = (
        Index("record_by_time", "time_us"),
        Index("record_by_decision", "decision", "time_us"),
        # Only exchanges in flight are in it, so that the archivist finds a dead worker's at once.
        Index("record_open", "lane", sqlite_where=_OPEN_ONLY, postgresql_where=_OPEN_ONLY),
    )
    rid: str = Field(sa_column=Column(Text, primary_key=True))
    lane: str = Field(sa_column=Column(Text, nullable=False))
    n: int = Field(sa_column=Column(BigInteger, nullable=False))
    time_us: int = Field(sa_column=Column(BigInteger, nullable=False))
    mode: str = Field(sa_column=Column(Text, nullable=False))
    operation: str = Field(sa_column=Column(Text, nullable=False))
    klass: int = Field(sa_column=Column(Integer, nullable=False))
    decision: str = Field(sa_column=Column(Text, nullable=False))
    reasons: str = Field(sa_column=Column(Text, nullable=False))
    policy: str = Field(sa_column=Column(Text, nullable=False))
    parse: str = Field(sa_column=Column(Text, nullable=False))
    prompt_bytes: int = Field(sa_column=Column(BigInteger, nullable=False))
    state: str = Field(sa_column=Column(Text, nullable=False))
    outcome_lane: str | None = Field(default=None, sa_column=Column(Text))
    outcome_n: int | None = Field(default=None, sa_column=Column(BigInteger))
    ended_us: int | None = Field(default=None, sa_column=Column(BigInteger))
    status: int | None = Field(default=None, sa_column=Column(Integer))
    answer_parse: str | None = Field(default=None, sa_column=Column(Text))
    input_tokens: int | None = Field(default=None, sa_column=Column(BigInteger))
    output_tokens: int | None = Field(default=None, sa_column=Column(BigInteger))
    output_bytes: int | None = Field(default=None, sa_column=Column(BigInteger))


class SearchRow(SQLModel, table=True):
    """One thing a record can be found by: the keyed token of one field's value."""

    __tablename__ = "search"
    __table_args__ = (Index("search_by_token", "token", "time_us"), {"sqlite_with_rowid": False})
    rid: str = Field(sa_column=Column(Text, primary_key=True))
    field: str = Field(sa_column=Column(Text, primary_key=True))
    time_us: int = Field(sa_column=Column(BigInteger, nullable=False))
    token: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class LaneRow(SQLModel, table=True):
    """How far one lane has come; ``sealed`` holds the same figures where nobody can edit them."""

    __tablename__ = "lane"
    name: str = Field(sa_column=Column(Text, primary_key=True))
    node: str = Field(default="", sa_column=Column(Text, nullable=False))
    last_n: int = Field(sa_column=Column(BigInteger, nullable=False))
    opened_us: int = Field(sa_column=Column(BigInteger, nullable=False))
    closed_us: int | None = Field(default=None, sa_column=Column(BigInteger))
    torn_bytes: int = Field(sa_column=Column(BigInteger, nullable=False))
    position: str = Field(default="", sa_column=Column(Text, nullable=False))
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class LaneListRow(SQLModel, table=True):
    """One row: the sealed list of all lanes that were ever opened."""

    __tablename__ = "lane_list"
    __table_args__ = (CheckConstraint("id = 1", name="lane_list_is_one_row"),)
    id: int = Field(default=1, sa_column=Column(Integer, primary_key=True, autoincrement=False))
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class ReadingRow(SQLModel, table=True):
    """Somebody read the content of a record; ``rid`` is the record that says who, and why."""

    __tablename__ = "reading"
    __table_args__ = (Index("reading_by_subject", "subject_rid"),)
    rid: str = Field(sa_column=Column(Text, primary_key=True))
    subject_rid: str = Field(sa_column=Column(Text, nullable=False))
    time_us: int = Field(sa_column=Column(BigInteger, nullable=False))


class PersonRow(SQLModel, table=True):
    """A local account, found by the keyed token of its name; all that it says of a person is sealed."""

    __tablename__ = "person"
    token: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    updated_us: int = Field(sa_column=Column(BigInteger, nullable=False, index=True))


class PolicyDocumentRow(SQLModel, table=True):
    """One applied file, or its withdrawal; a newer version of the same file replaces the older.

    ``file`` is the keyed token of the file's name: that, too, may name somebody.
    """

    __tablename__ = "policy_document"
    version: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    file: bytes = Field(sa_column=Column(LargeBinary, nullable=False, index=True))
    withdrawn: bool = Field(sa_column=Column(Boolean, nullable=False))
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class PolicyVersionRow(SQLModel, table=True):
    """A compiled snapshot, kept for as long as a record names it: decisions are replayed from it."""

    __tablename__ = "policy_version"
    sha256: str = Field(sa_column=Column(Text, primary_key=True))
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class InviteRow(SQLModel, table=True):
    """A set-up link that is good once; of its secret the hash is kept, and whom it invites is sealed."""

    __tablename__ = "invite"
    token_sha256: str = Field(sa_column=Column(Text, primary_key=True))
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    created_us: int = Field(sa_column=Column(BigInteger, nullable=False))
    expires_us: int = Field(sa_column=Column(BigInteger, nullable=False))
    used_us: int | None = Field(default=None, sa_column=Column(BigInteger))


class TurnRow(SQLModel, table=True):
    """One row, which whoever changes accounts or policy holds: on PostgreSQL nothing else orders them."""

    __tablename__ = "turn"
    __table_args__ = (CheckConstraint("id = 1", name="turn_is_one_row"),)
    id: int = Field(default=1, sa_column=Column(Integer, primary_key=True, autoincrement=False))


class UpkeepRow(SQLModel, table=True):
    """Work that a migration left to somebody who holds keys, and how far it is."""

    __tablename__ = "upkeep"
    name: str = Field(sa_column=Column(Text, primary_key=True))
    position: str = Field(sa_column=Column(Text, nullable=False))


class StatementRow(SQLModel, table=True):
    """A leaf of the archivist's own: what was stored, erased, held or retired; names nobody."""

    __tablename__ = "statement"
    __table_args__ = (
        Index("statement_unplaced", "time_us", sqlite_where=_UNPLACED, postgresql_where=_UNPLACED),
        Index("statement_by_place", "tree", "idx"),
    )
    id: str = Field(sa_column=Column(Text, primary_key=True))
    tree: str = Field(default="", sa_column=Column(Text, nullable=False))
    idx: int | None = Field(default=None, sa_column=Column(BigInteger))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    time_us: int = Field(sa_column=Column(BigInteger, nullable=False))
    envelope: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    leaf: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class EventRow(SQLModel, table=True):
    """What a command did or ordered, sealed, until the archivist has stated it in a leaf."""

    __tablename__ = "event"
    __table_args__ = (Index("event_unplaced", "time_us", sqlite_where=_UNSTATED, postgresql_where=_UNSTATED),)
    id: str = Field(sa_column=Column(Text, primary_key=True))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    time_us: int = Field(sa_column=Column(BigInteger, nullable=False))
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    placed: bool = Field(default=False, sa_column=Column(Boolean, nullable=False))


class GovernedRow(SQLModel, table=True):
    """One aggregate of one organisation as it is now, sealed; found by the keyed token of its id.

    ``made`` and ``changed`` are the numbers of its first and its newest event. ``due_us`` is when the clock
    has something to do with it; whoever edits that delays a reminder, and no end of a grant.
    """

    __tablename__ = "governed"
    __table_args__ = (
        Index("governed_by_making", "tenant", "noun", "made"),
        Index("governed_by_change", "changed"),
        Index("governed_due", "tenant", "due_us", sqlite_where=_DUE, postgresql_where=_DUE),
    )
    tenant: str = Field(sa_column=Column(Text, primary_key=True))
    noun: str = Field(sa_column=Column(Text, primary_key=True))
    token: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    version: int = Field(sa_column=Column(BigInteger, nullable=False))
    made: int = Field(sa_column=Column(BigInteger, nullable=False))
    changed: int = Field(sa_column=Column(BigInteger, nullable=False))
    due_us: int | None = Field(default=None, sa_column=Column(BigInteger))
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class GovernedEventRow(SQLModel, table=True):
    """What happened to an aggregate, sealed; ``event`` names the leaf that commits to it."""

    __tablename__ = "governed_event"
    __table_args__ = (Index("governed_event_of", "tenant", "noun", "token", "n"),)
    n: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    tenant: str = Field(sa_column=Column(Text, nullable=False))
    noun: str = Field(sa_column=Column(Text, nullable=False))
    token: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    event: str = Field(sa_column=Column(Text, nullable=False))
    time_us: int = Field(sa_column=Column(BigInteger, nullable=False))
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class GovernedKeyRow(SQLModel, table=True):
    """One thing that an aggregate can be found by: the keyed token of some of its fields."""

    __tablename__ = "governed_key"
    __table_args__ = (Index("governed_key_by_value", "tenant", "noun", "value"),)
    tenant: str = Field(sa_column=Column(Text, primary_key=True))
    noun: str = Field(sa_column=Column(Text, primary_key=True))
    token: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    field: str = Field(sa_column=Column(Text, primary_key=True))
    value: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class GovernedOnceRow(SQLModel, table=True):
    """What a request led to that may come twice; kept for some days, and no evidence."""

    __tablename__ = "governed_once"
    __table_args__ = (Index("governed_once_by_time", "time_us"),)
    tenant: str = Field(sa_column=Column(Text, primary_key=True))
    token: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    time_us: int = Field(sa_column=Column(BigInteger, nullable=False))
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class TreeRow(SQLModel, table=True):
    """The next free place of one tree; whoever gives places away holds this row."""

    __tablename__ = "tree"
    name: str = Field(sa_column=Column(Text, primary_key=True))
    node: str = Field(sa_column=Column(Text, nullable=False))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    next_idx: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    opened_us: int = Field(sa_column=Column(BigInteger, nullable=False))
    closed_us: int | None = Field(default=None, sa_column=Column(BigInteger))


class ChunkRow(SQLModel, table=True):
    """A large piece of text, stored once under one data key; ``rid`` is the record whose key seals it."""

    __tablename__ = "chunk"
    __table_args__ = (Index("chunk_by_record", "rid"),)
    address: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    rid: str = Field(sa_column=Column(Text, nullable=False))
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class AnchorRow(SQLModel, table=True):
    """Where the next body of a conversation finds the record before it."""

    __tablename__ = "anchor"
    __table_args__ = (Index("anchor_by_record", "rid"),)
    anchor: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    rid: str = Field(sa_column=Column(Text, nullable=False))


class LinkRow(SQLModel, table=True):
    """The text of ``rid`` refers to text that the record ``refers`` keeps."""

    __tablename__ = "link"
    __table_args__ = (Index("link_by_referred", "refers"),)
    rid: str = Field(sa_column=Column(Text, primary_key=True))
    refers: str = Field(sa_column=Column(Text, primary_key=True))


class KeyEpochRow(SQLModel, table=True):
    """One epoch's secret, wrapped by the provider of that name."""

    __tablename__ = "key_epoch"
    epoch: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    provider: str = Field(sa_column=Column(Text, nullable=False))
    wrapped: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class DataKeyRow(SQLModel, table=True):
    """One data key; whose, of which class and month, lies inside the seal."""

    __tablename__ = "data_key"
    __table_args__ = (Index("data_key_by_tag", "tag", unique=True), Index("data_key_by_epoch", "epoch"))
    id: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    epoch: int = Field(sa_column=Column(Integer, nullable=False))
    tag: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class RecordKeyRow(SQLModel, table=True):
    """One record's key, wrapped under its data key; without this row its content is gone."""

    __tablename__ = "record_key"
    __table_args__ = (Index("record_key_by_data_key", "data_key", "rid", "part"),)
    rid: str = Field(sa_column=Column(Text, primary_key=True))
    part: str = Field(sa_column=Column(Text, primary_key=True))
    data_key: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class OutputTagRow(SQLModel, table=True):
    """What finds an answer by its text, for whoever holds its data key."""

    __tablename__ = "output_tag"
    __table_args__ = (Index("output_tag_by_tag", "tag"),)
    rid: str = Field(sa_column=Column(Text, primary_key=True))
    tag: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class HoldRow(SQLModel, table=True):
    """A legal hold; what it keeps, and why, lies inside the seal."""

    __tablename__ = "hold"
    id: str = Field(sa_column=Column(Text, primary_key=True))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    placed_us: int = Field(sa_column=Column(BigInteger, nullable=False))
    lifted_us: int | None = Field(default=None, sa_column=Column(BigInteger))


METADATA = SQLModel.metadata
ENTRY = METADATA.tables["entry"]
CONTENT = METADATA.tables["content"]
RECORD = METADATA.tables["record"]
SEARCH = METADATA.tables["search"]
LANE = METADATA.tables["lane"]
LANE_LIST = METADATA.tables["lane_list"]
READING = METADATA.tables["reading"]
PERSON = METADATA.tables["person"]
POLICY_DOCUMENT = METADATA.tables["policy_document"]
POLICY_VERSION = METADATA.tables["policy_version"]
INVITE = METADATA.tables["invite"]
TURN = METADATA.tables["turn"]
UPKEEP = METADATA.tables["upkeep"]
STATEMENT = METADATA.tables["statement"]
EVENT = METADATA.tables["event"]
GOVERNED = METADATA.tables["governed"]
GOVERNED_EVENT = METADATA.tables["governed_event"]
GOVERNED_KEY = METADATA.tables["governed_key"]
GOVERNED_ONCE = METADATA.tables["governed_once"]
TREE = METADATA.tables["tree"]
CHUNK = METADATA.tables["chunk"]
ANCHOR = METADATA.tables["anchor"]
LINK = METADATA.tables["link"]
KEY_EPOCH = METADATA.tables["key_epoch"]
DATA_KEY = METADATA.tables["data_key"]
RECORD_KEY = METADATA.tables["record_key"]
OUTPUT_TAG = METADATA.tables["output_tag"]
HOLD = METADATA.tables["hold"]

PARTITIONED = ("entry", "content", "record", "search")
"""The tables that PostgreSQL keeps in a part for each month."""
