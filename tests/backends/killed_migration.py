"""Upgrades a database and dies by `kill -9` before a statement: killed_migration.py ADDRESS OWNER NUMBER."""

from __future__ import annotations

import itertools
import os
import signal
import sys
from typing import Any

from sqlalchemy import Engine, event

from emma_core.backends.sql import connecting, migrating

number = itertools.count(1)
changes = ("CREATE", "ALTER", "INSERT", "UPDATE", "DROP")


@event.listens_for(Engine, "before_cursor_execute")
def die(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
    if statement.lstrip().startswith(changes) and next(number) == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)


migrating.upgrade(connecting.place(sys.argv[1]), connecting.place(sys.argv[2]) if sys.argv[2] else None)
