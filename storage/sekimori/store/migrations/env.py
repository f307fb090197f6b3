"""Run migrations on the connection that ``sekimori.store.engine`` hands over, inside its transaction."""

from alembic import context

from sekimori.store import tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.METADATA,
    render_as_batch=True,
)
context.run_migrations()
