"""The ledger connects: envelopes, leaves and places of entries; wrapped keys; text that is stored once.

Rows from before lie under one data key. Moving them takes keys, so ``upkeep`` leaves it to the archivist
(``rekey``); their search tokens are made anew under another key, and the files rewritten, after it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_UNPLACED = {
    "entry": sa.text("idx IS NULL AND length(leaf) > 0"),  # none from before the ledger has a leaf
    "statement": sa.text("idx IS NULL"),
}
_UNSTATED = sa.text("NOT placed")


def upgrade() -> None:
    has_entries = op.get_bind().execute(sa.text("SELECT EXISTS (SELECT 1 FROM lane_list)")).scalar()
    _give_entries_places()
    _make_leaves()
    _make_texts()
    _make_keys()
    _make_indexes()
    if op.get_bind().dialect.name == "postgresql":
        _order_text_by_bytes()
    if has_entries:
        op.execute("DELETE FROM upkeep WHERE name = 'search'")
        op.execute("INSERT INTO upkeep (name, position) VALUES ('rekey', ''), ('search', '')")


def _give_entries_places() -> None:
    nothing = sa.text("X''" if op.get_bind().dialect.name == "sqlite" else "''")
    op.add_column("entry", sa.Column("envelope", sa.LargeBinary(), nullable=False, server_default=nothing))
    op.add_column("entry", sa.Column("leaf", sa.LargeBinary(), nullable=False, server_default=nothing))
    op.add_column("entry", sa.Column("tree", sa.Text(), nullable=False, server_default=""))
    op.add_column("entry", sa.Column("idx", sa.BigInteger(), nullable=True))


def _make_leaves() -> None:
    op.create_table(
        "statement",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tree", sa.Text(), nullable=False),
        sa.Column("idx", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("time_us", sa.BigInteger(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "event",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("time_us", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("placed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "tree",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("next_idx", sa.BigInteger(), nullable=False),
        sa.Column("opened_us", sa.BigInteger(), nullable=False),
        sa.Column("closed_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "hold",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("placed_us", sa.BigInteger(), nullable=False),
        sa.Column("lifted_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )


def _make_texts() -> None:
    op.create_table(
        "chunk",
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("rid", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("address"),
    )
    op.create_table(
        "anchor",
        sa.Column("anchor", sa.LargeBinary(), nullable=False),
        sa.Column("rid", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("anchor"),
    )
    op.create_table(
        "link",
        sa.Column("rid", sa.Text(), nullable=False),
        sa.Column("refers", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("rid", "refers"),
    )
    op.create_table(
        "output_tag",
        sa.Column("rid", sa.Text(), nullable=False),
        sa.Column("tag", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("rid"),
    )


def _make_keys() -> None:
    op.create_table(
        "key_epoch",
        sa.Column("epoch", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("epoch"),
    )
    op.create_table(
        "data_key",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("tag", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "record_key",
        sa.Column("rid", sa.Text(), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("data_key", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("rid", "part"),
    )


def _make_indexes() -> None:
    for table, waits in _UNPLACED.items():
        op.create_index(f"{table}_unplaced", table, ["time_us"], sqlite_where=waits, postgresql_where=waits)
        op.create_index(f"{table}_by_place", table, ["tree", "idx"])
    op.create_index(
        "event_unplaced", "event", ["time_us"], sqlite_where=_UNSTATED, postgresql_where=_UNSTATED
    )
    op.create_index("chunk_by_record", "chunk", ["rid"])
    op.create_index("anchor_by_record", "anchor", ["rid"])
    op.create_index("link_by_referred", "link", ["refers"])
    op.create_index("data_key_by_tag", "data_key", ["tag"], unique=True)
    op.create_index("data_key_by_epoch", "data_key", ["epoch"])
    op.create_index("record_key_by_data_key", "record_key", ["data_key", "rid", "part"])
    op.create_index("output_tag_by_tag", "output_tag", ["tag"])


def _order_text_by_bytes() -> None:
    """Give text the order that SQLite and Python have, whatever the database's own."""
    columns = sa.text(
        "SELECT c.table_name, c.column_name FROM information_schema.columns AS c "
        "JOIN pg_class AS t ON t.oid = to_regclass(format('%I.%I', c.table_schema, c.table_name)) "
        "WHERE c.table_schema = current_schema() AND c.data_type = 'text' AND NOT t.relispartition "
        "AND c.collation_name IS DISTINCT FROM 'C'"
    )
    for table, column in op.get_bind().execute(columns).all():
        op.execute(f'ALTER TABLE "{table}" ALTER COLUMN "{column}" TYPE text COLLATE "C"')


def downgrade() -> None:
    raise NotImplementedError("evidence is not taken down; restore a backup instead")
