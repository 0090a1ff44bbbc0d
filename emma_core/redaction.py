"""Keeps secrets out of what is shown: what was learned here is masked in texts, in errors and in every log record."""

from __future__ import annotations

import base64
import json
import logging
import os
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

MASK = "***"
SHORTEST = 8
"""Characters; what is shorter cannot be told from a word, and is masked only where an address shows what it is."""

_OPENS = r"(?:[\w-]*(?:key|password|passwd|pwd|secret|token|signature)|sig)"
_IN_QUERY = re.compile(rf"([?&;]{_OPENS}=)(?!\{{secret:)[^\s&;'\"`>]+", re.IGNORECASE)
_IN_USERINFO = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s/@:'\"]*:)(?!\{secret:)[^\s@'\"]+(?=@)", re.IGNORECASE)
_VARIABLE = re.compile(rf"{_OPENS}S?$|_CONNECTION_STRING$|^IDENTITY_HEADER$", re.IGNORECASE)

_PLACES = frozenset({"PWD", "OLDPWD"})
"""Variables in which a shell keeps the folder it stands in: no password, though named like one."""

_known: set[str] = set()
_masked: re.Pattern[str] | None = None


def learn(secret: str) -> None:
    """The secret is masked from now on, in each spelling that a text may carry it in."""
    global _masked
    new = {spelling for spelling in _spellings(secret) if len(spelling) >= SHORTEST} - _known
    if new:
        _known.update(new)
        longest_first = sorted(_known, key=len, reverse=True)
        _masked = re.compile("|".join(map(re.escape, longest_first)))


def learn_address(address: str) -> None:
    """The password and the keys that an address holds are masked from now on, wherever they stand."""
    try:
        parts = urlsplit(address)
        held = [unquote(parts.password or ""), parts.password or ""]
    except ValueError:  # no URL: the patterns of `mask` are all that can be done
        return
    held += [value for name, value in parse_qsl(parts.query) if re.fullmatch(_OPENS, name, re.IGNORECASE)]
    for each in held:
        learn(each)


def learn_environment() -> None:
    """Values of variables whose names say that they open something, such as `…_API_KEY`, are masked from now on."""
    for name, value in os.environ.items():
        if name not in _PLACES and _VARIABLE.search(name):
            learn(value)


def mask(text: str) -> str:
    """The text without what was learned, and without what an address in it shows to be a password or a key."""
    if "=" in text:
        text = _IN_QUERY.sub(rf"\g<1>{MASK}", text)
    if "://" in text:
        text = _IN_USERINFO.sub(rf"\g<1>{MASK}", text)
    return _masked.sub(MASK, text) if _masked else text


def guard_logs() -> None:
    """Every log record of this process is masked as it is made, whoever logs and whatever handles it."""
    earlier = logging.getLogRecordFactory()
    if getattr(earlier, "masks", False):
        return

    def make(*given: Any, **more: Any) -> logging.LogRecord:
        return _masked_record(earlier(*given, **more))

    make.masks = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(make)


def _masked_record(record: logging.LogRecord) -> logging.LogRecord:
    """The record, changed only where it would show something: its parts stay apart for whoever groups by them."""
    try:
        said = record.getMessage()
        safe = mask(said)
    except Exception:  # its arguments do not fit: logging would print them as they are
        said, safe = "", mask(f"{record.msg!r} {record.args!r}")
    if said != safe:
        record.msg, record.args = safe, ()
    if record.exc_info and record.exc_info[1] is not None:
        record.exc_text = mask(logging.Formatter().formatException(record.exc_info))
    return record


def _spellings(secret: str) -> Iterator[str]:
    for part in {secret, secret.strip(), *secret.splitlines(), " ".join(secret.split())}:
        yield from (part, json.dumps(part)[1:-1], repr(part)[1:-1], ascii(part)[1:-1])
        said = part.encode(errors="surrogateescape")
        yield from (quote(said), quote(said, safe=""), quote_plus(said), base64.b64encode(said).decode())
