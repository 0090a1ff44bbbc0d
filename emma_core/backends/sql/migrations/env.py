"""Runs the migrations over the connection that `migrating` opened, inside its transaction."""

from __future__ import annotations

from alembic import context

_said = context.config.attributes
context.configure(connection=_said["connection"], version_table_schema=_said["schema"], transactional_ddl=True)
context.run_migrations()
