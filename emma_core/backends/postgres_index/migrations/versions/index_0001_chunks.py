"""Makes the tables of chunks and of their collections, whose rows are seen by their tenant only."""

from __future__ import annotations

from alembic import op

from emma_core.backends.sql import row_security

revision = "i0001"
down_revision = None

_COLLECTIONS = """
CREATE TABLE index_collections (
  tenant text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  embedder text COLLATE "C" NOT NULL,
  dimension integer NOT NULL,
  PRIMARY KEY (tenant, name)
)
"""
_CHUNKS = """
CREATE TABLE index_chunks (
  tenant text COLLATE "C" NOT NULL,
  collection text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  document text COLLATE "C" NOT NULL,
  ordinal bigint NOT NULL,
  kind text COLLATE "C" NOT NULL,
  subject text COLLATE "C" NOT NULL,
  labels text[] COLLATE "C" NOT NULL,
  first_day integer NOT NULL,
  last_day integer NOT NULL,
  hash text COLLATE "C" NOT NULL,
  body text COLLATE "C" NOT NULL,
  words tsvector NOT NULL,
  length integer NOT NULL,
  row vector,
  PRIMARY KEY (tenant, collection, id)
)
"""


def upgrade() -> None:
    """The tables are there, empty, and the types that they need."""
    op.execute("CREATE EXTENSION IF NOT EXISTS vector")
    for statement in (_COLLECTIONS, _CHUNKS):
        op.execute(statement)
    op.create_index("index_chunks_by_place", "index_chunks", ["tenant", "collection", "document", "ordinal"])
    op.create_index("index_chunks_by_subject", "index_chunks", ["tenant", "subject"])
    for table in ("index_collections", "index_chunks"):
        row_security.protect(op, table)


def downgrade() -> None:
    """The tables are gone with what they held; it can be made again of the documents."""
    for table in ("index_chunks", "index_collections"):
        op.drop_table(table)
