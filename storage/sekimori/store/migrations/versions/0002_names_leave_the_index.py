"""Names leave the index for keyed tokens; on PostgreSQL evidence lies in a part for each month.

What a readable column said stands in the sealed entries too, so columns are dropped here without any
key; the tokens need one, and ``upkeep`` leaves them to the archivist.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_PARTS = ("entry", "content", "record", "search")
_OPEN_ONLY = sa.text("state = 'open'")

_BEFORE_US = 1_577_836_800_000_000  # 2020-01-01
_AFTER_US = 4_102_444_800_000_000  # 2100-01-01

# Owned by whoever migrates, so that the archivist needs no right to make or attach tables. Made apart
# and attached: that waits for no reader, where CREATE TABLE PARTITION OF waits for all of them.
_MAKE_MONTH = """
CREATE FUNCTION {schema}.sekimori_month(first bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  since timestamp := timestamp 'epoch' + (first / 1000000) * interval '1 second';
  beyond bigint := extract(epoch FROM since + interval '1 month')::bigint * 1000000;
  whole text;
  part text;
BEGIN
  IF first % 1000000 <> 0 OR since <> date_trunc('month', since)
     OR first < {before} OR first >= {after} THEN
    RAISE EXCEPTION '% is not the first microsecond of a month', first;
  END IF;
  FOREACH whole IN ARRAY ARRAY['entry', 'content', 'record', 'search'] LOOP
    part := whole || to_char(since, '_YYYY_MM');
    IF to_regclass(format('%I.%I', {schema_text}, part)) IS NULL THEN
      EXECUTE format('LOCK TABLE %I.%I IN SHARE UPDATE EXCLUSIVE MODE', {schema_text}, whole);
    END IF;
    IF to_regclass(format('%I.%I', {schema_text}, part)) IS NULL THEN
      EXECUTE format('CREATE TABLE %I.%I (LIKE %I.%I INCLUDING ALL)',
                     {schema_text}, part, {schema_text}, whole);
      EXECUTE format('ALTER TABLE %I.%I ATTACH PARTITION %I.%I FOR VALUES FROM (%s) TO (%s)',
                     {schema_text}, whole, {schema_text}, part, first, beyond);
    END IF;
  END LOOP;
END $$
"""

_OLD_MONTHS = f"""
SELECT sekimori_month(first) FROM (
  SELECT DISTINCT extract(epoch FROM date_trunc('month',
    timestamp 'epoch' + (time_us / 1000000) * interval '1 second'))::bigint * 1000000 AS first
  FROM (SELECT time_us FROM old_entry UNION ALL SELECT time_us FROM old_record) AS old
  WHERE time_us >= {_BEFORE_US} AND time_us < {_AFTER_US}
) AS months
"""


def upgrade() -> None:
    on_postgres = op.get_bind().dialect.name == "postgresql"
    has_records = op.get_bind().execute(sa.text("SELECT EXISTS (SELECT 1 FROM record)")).scalar()
    _put_aside(*(("entry",) if on_postgres else ()), "content", "record", "reading")
    _make_tables(on_postgres)
    if on_postgres:
        _order_text_by_bytes()
        _make_months()
    _take_back(on_postgres)
    _make_indexes()
    op.add_column("lane", sa.Column("node", sa.Text(), nullable=False, server_default=""))
    op.execute("INSERT INTO turn (id) VALUES (1)")
    if has_records:
        op.execute("INSERT INTO upkeep (name, position) VALUES ('search', ''), ('scrub', '')")


def _put_aside(*names: str) -> None:
    for name in names:
        op.rename_table(name, f"old_{name}")
        if op.get_bind().dialect.name == "postgresql":
            op.execute(f"ALTER INDEX {name}_pkey RENAME TO old_{name}_pkey")


def _make_tables(on_postgres: bool) -> None:
    # A primary key of a partitioned table must hold what it is partitioned by.
    time = ("time_us",) if on_postgres else ()
    parts: dict[str, Any] = {"postgresql_partition_by": "RANGE (time_us)"}
    if on_postgres:
        op.create_table(
            "entry",
            sa.Column("lane", sa.Text(), nullable=False),
            sa.Column("n", sa.BigInteger(), autoincrement=False, nullable=False),
            sa.Column("rid", sa.Text(), nullable=False),
            sa.Column("kind", sa.Text(), nullable=False),
            sa.Column("time_us", sa.BigInteger(), nullable=False),
            sa.Column("sealed", sa.LargeBinary(), nullable=False),
            sa.PrimaryKeyConstraint("lane", "n", *time),
            **parts,
        )
    op.create_table(
        "content",
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("rid", sa.Text(), nullable=False),
        sa.Column("time_us", sa.BigInteger(), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("sealed_sha256", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("lane", "n", *time),
        **parts,
    )
    op.create_table(
        "record",
        sa.Column("rid", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("time_us", sa.BigInteger(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("klass", sa.Integer(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("parse", sa.Text(), nullable=False),
        sa.Column("prompt_bytes", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("outcome_lane", sa.Text(), nullable=True),
        sa.Column("outcome_n", sa.BigInteger(), nullable=True),
        sa.Column("ended_us", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer_parse", sa.Text(), nullable=True),
        sa.Column("input_tokens", sa.BigInteger(), nullable=True),
        sa.Column("output_tokens", sa.BigInteger(), nullable=True),
        sa.Column("output_bytes", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("rid", *time),
        **parts,
    )
    op.create_table(
        "search",
        sa.Column("rid", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("time_us", sa.BigInteger(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("rid", "field", *time),
        sqlite_with_rowid=False,
        **parts,
    )
    op.create_table(
        "reading",
        sa.Column("rid", sa.Text(), nullable=False),
        sa.Column("subject_rid", sa.Text(), nullable=False),
        sa.Column("time_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("rid"),
    )
    op.create_table(
        "turn",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.CheckConstraint("id = 1", name="turn_is_one_row"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "upkeep",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def _order_text_by_bytes() -> None:
    """Give text the order that SQLite and Python have, whatever the database's own."""
    columns = sa.text(
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = current_schema() AND data_type = 'text' AND table_name NOT LIKE 'old\\_%'"
    )
    for table, column in op.get_bind().execute(columns).all():
        op.execute(f'ALTER TABLE "{table}" ALTER COLUMN "{column}" TYPE text COLLATE "C"')


def _make_months() -> None:
    schema = op.get_bind().execute(sa.text("SELECT quote_ident(current_schema())")).scalar()
    text = op.get_bind().execute(sa.text("SELECT quote_literal(current_schema())")).scalar()
    for name in ("entry", "content"):
        # It is ciphertext, and packed already: trying to pack it again only costs time.
        op.execute(f"ALTER TABLE {name} ALTER COLUMN sealed SET STORAGE EXTERNAL")
    for name in _PARTS:
        op.execute(f"CREATE TABLE {name}_before PARTITION OF {name} FOR VALUES FROM (MINVALUE) TO ({_BEFORE_US})")
        op.execute(f"CREATE TABLE {name}_after PARTITION OF {name} FOR VALUES FROM ({_AFTER_US}) TO (MAXVALUE)")
    made = _MAKE_MONTH.format(schema=schema, schema_text=text, before=_BEFORE_US, after=_AFTER_US)
    op.get_bind().exec_driver_sql(made.replace("%", "%%"))
    op.execute("REVOKE ALL ON FUNCTION sekimori_month(bigint) FROM PUBLIC")
    op.execute(_OLD_MONTHS)


def _take_back(on_postgres: bool) -> None:
    content = "c.lane, c.n, c.rid, e.time_us, c.part, c.sealed_sha256, c.sealed"
    entry = "old_entry" if on_postgres else "entry"
    op.execute(f"INSERT INTO content SELECT {content} FROM old_content c JOIN {entry} e ON e.lane = c.lane AND e.n = c.n")
    record = (
        "rid, lane, n, time_us, mode, operation, klass, decision, reasons, policy, parse, prompt_bytes, state, "
        "outcome_lane, outcome_n, ended_us, status, answer_parse, input_tokens, output_tokens, output_bytes"
    )
    op.execute(f"INSERT INTO record SELECT {record} FROM old_record")
    op.execute("INSERT INTO reading SELECT rid, subject_rid, time_us FROM old_reading")
    for name in ("content", "record", "reading"):
        op.drop_table(f"old_{name}")
    if on_postgres:
        op.execute("INSERT INTO entry SELECT lane, n, rid, kind, time_us, sealed FROM old_entry")
        op.drop_table("old_entry")


def _make_indexes() -> None:
    op.create_index("record_by_time", "record", ["time_us"])
    op.create_index("record_by_decision", "record", ["decision", "time_us"])
    op.create_index("record_open", "record", ["lane"], sqlite_where=_OPEN_ONLY, postgresql_where=_OPEN_ONLY)
    op.create_index("search_by_token", "search", ["token", "time_us"])
    op.create_index("reading_by_subject", "reading", ["subject_rid"])


def downgrade() -> None:
    raise NotImplementedError("evidence is not taken down; restore a backup instead")
