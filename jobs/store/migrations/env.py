"""Run by Alembic: apply revisions over the connection that `jobs.store.schema` passes."""

from __future__ import annotations

from alembic import context

from jobs.store.models import Base

# SQLite alters a table by copying it, which Alembic calls a batch.
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
