"""Runs the index's migrations over the connection that was opened for them, counted apart from the store's."""

from __future__ import annotations

from alembic import context

_said = context.config.attributes
context.configure(
    connection=_said["connection"],
    version_table=_said["table"],
    version_table_schema=_said["schema"],
    transactional_ddl=True,
)
context.run_migrations()
