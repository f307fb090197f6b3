"""Accounts, set-up links, applied files and snapshots lose every readable name.

Sealing takes keys, which no migration has: the old tables are put aside, and ``naming`` seals their rows
before anything of them is read. Where there are none, nothing is put aside.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_WORKS = {"people": ("person", "invite"), "policies": ("policy_document", "policy_version")}
_INDEXES = {"person": "ix_person_updated_us", "policy_document": "ix_policy_document_file"}


def upgrade() -> None:
    for work, names in _WORKS.items():
        filled = [_put_aside(name) for name in names]
        if any(filled):
            op.execute(f"INSERT INTO upkeep (name, position) VALUES ('{work}', '')")
        else:
            for name in names:
                op.drop_table(f"old_{name}")
    _make_tables()
    if op.get_bind().dialect.name == "postgresql":
        op.execute('ALTER TABLE invite ALTER COLUMN token_sha256 TYPE text COLLATE "C"')
        op.execute('ALTER TABLE policy_version ALTER COLUMN sha256 TYPE text COLLATE "C"')


def _put_aside(name: str) -> bool:
    """Rename a table and say whether it holds anything."""
    if name in _INDEXES:
        op.drop_index(_INDEXES[name], name)
    op.rename_table(name, f"old_{name}")
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"ALTER INDEX {name}_pkey RENAME TO old_{name}_pkey")
    found = op.get_bind().execute(sa.text(f"SELECT EXISTS (SELECT 1 FROM old_{name})"))
    return bool(found.scalar())


def _make_tables() -> None:
    op.create_table(
        "person",
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("updated_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("token"),
    )
    op.create_index("ix_person_updated_us", "person", ["updated_us"], unique=False)
    op.create_table(
        "invite",
        sa.Column("token_sha256", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.Column("used_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("token_sha256"),
    )
    op.create_table(
        "policy_document",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("file", sa.LargeBinary(), nullable=False),
        sa.Column("withdrawn", sa.Boolean(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("version"),
    )
    op.create_index("ix_policy_document_file", "policy_document", ["file"], unique=False)
    op.create_table(
        "policy_version",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sha256"),
    )


def downgrade() -> None:
    raise NotImplementedError("names are not made readable again; restore a backup instead")
