"""One relational schema for all that Emma keeps in tables, its migrations, and the registry over it."""
