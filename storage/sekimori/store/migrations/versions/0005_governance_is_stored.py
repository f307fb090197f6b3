"""What is governed gets its tables: things as they are, what happened to them, and what finds them."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_DUE = sa.text("due_us IS NOT NULL")
_TEXTS = {
    "governed": ("tenant", "noun"),
    "governed_event": ("tenant", "noun", "event"),
    "governed_key": ("tenant", "noun", "field"),
    "governed_once": ("tenant",),
}


def upgrade() -> None:
    _make_tables()
    op.create_index("governed_by_making", "governed", ["tenant", "noun", "made"])
    op.create_index("governed_by_change", "governed", ["changed"])
    op.create_index(
        "governed_due", "governed", ["tenant", "due_us"], sqlite_where=_DUE, postgresql_where=_DUE
    )
    op.create_index("governed_event_of", "governed_event", ["tenant", "noun", "token", "n"])
    op.create_index("governed_key_by_value", "governed_key", ["tenant", "noun", "value"])
    op.create_index("governed_once_by_time", "governed_once", ["time_us"])
    if op.get_bind().dialect.name == "postgresql":
        for table, columns in _TEXTS.items():
            for column in columns:
                op.execute(f'ALTER TABLE {table} ALTER COLUMN {column} TYPE text COLLATE "C"')


def _make_tables() -> None:
    op.create_table(
        "governed",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("noun", sa.Text(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("made", sa.BigInteger(), nullable=False),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.Column("due_us", sa.BigInteger(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "noun", "token"),
    )
    op.create_table(
        "governed_event",
        sa.Column("n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("noun", sa.Text(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("time_us", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("n"),
    )
    op.create_table(
        "governed_key",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("noun", sa.Text(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "noun", "token", "field"),
    )
    op.create_table(
        "governed_once",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("time_us", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "token"),
    )


def downgrade() -> None:
    raise NotImplementedError("evidence is not taken down; restore a backup instead")
