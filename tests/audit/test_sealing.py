"""Holds the bytes of a sealed line to what was frozen, and sealing to what a line may hold."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from emma_core import audit
from emma_core.errors import CallerError, TrailError
from emma_core.nouns import Head

VECTORS = json.loads(Path(__file__).with_name("vectors.json").read_text(encoding="utf-8"))
GIVEN: dict[str, Any] = {
    "tenant": "a",
    "kind": "judged",
    "caller": "u",
    "outcome": {},
    "payload": {},
    "subject": "p",
    "now": datetime(2026, 1, 2, tzinfo=UTC),
    "salt": b"\0" * 32,
}


def sealed_from(vector: dict[str, Any]) -> Any:
    given = {**vector["given"], "now": datetime.fromisoformat(vector["given"]["now"])}
    given["salt"] = bytes.fromhex(given["salt"])
    return audit.sealing(**given)(vector["head"] and Head(**vector["head"]))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_a_sealed_line_has_exactly_the_frozen_bytes(vector: dict[str, Any]) -> None:
    line = sealed_from(vector)

    assert line.line == vector["line"]
    assert line.hash == vector["hash"]
    assert line.payload.body == vector["body"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_a_vector_can_be_checked_with_nothing_but_sha256(vector: dict[str, Any]) -> None:
    said = json.loads(vector["line"])
    salted = bytes.fromhex(vector["given"]["salt"]) + vector["body"].encode("utf-8")

    assert hashlib.sha256(vector["line"].encode("utf-8")).hexdigest() == vector["hash"]
    assert hashlib.sha256(salted).hexdigest() == said["commitment"]
    assert said["prev"] == (vector["head"]["hash"] if vector["head"] else "0" * 64)


def test_the_event_reads_back_from_its_line() -> None:
    line = sealed_from(VECTORS[1])

    event = audit.read(line)

    assert (event.seq, event.kind, event.turn, event.prev) == (
        line.seq,
        line.kind,
        line.turn,
        VECTORS[1]["head"]["hash"],
    )
    with pytest.raises(TrailError, match="Line 8"):
        audit.read(line.model_copy(update={"line": "{}"}))


def test_a_clock_that_jumps_back_does_not_make_a_line_older_than_the_last() -> None:
    head = Head(seq=4, hash="1" * 64, at="2026-06-01T00:00:00.000000Z")

    assert audit.sealing(**GIVEN)(head).at == head.at
    assert audit.sealing(**{**GIVEN, "now": datetime(2027, 1, 1, tzinfo=UTC)})(head).at == "2027-01-01T00:00:00.000000Z"


def test_a_time_of_any_zone_is_sealed_in_utc() -> None:
    now = datetime(2026, 1, 2, 1, 30, tzinfo=timezone(timedelta(hours=2)))

    assert audit.sealing(**{**GIVEN, "now": now})(None).at == "2026-01-01T23:30:00.000000Z"
    with pytest.raises(ValueError, match="aware"):
        audit.sealing(**{**GIVEN, "now": datetime(2026, 1, 2)})


def test_a_seal_may_be_called_again_and_says_the_same() -> None:
    seal = audit.sealing(**{**GIVEN, "outcome": {"list": [1]}})

    assert seal(None) == seal(None)


def test_what_is_changed_after_sealing_does_not_reach_the_line() -> None:
    inner = [1]
    seal = audit.sealing(**{**GIVEN, "outcome": {"list": inner}})
    inner.append(2)

    assert '"outcome":{"list":[1]}' in seal(None).line


@pytest.mark.parametrize(
    "value", [0.5, float("nan"), None, Decimal("0.5"), date(2026, 1, 1), (1,), b"x", {1: "x"}, {"é": 1}]
)
def test_a_line_holds_nothing_that_two_readers_may_read_differently(value: Any) -> None:
    for outcome in ({"it": value}, {"deep": [{"it": [value]}]}):
        with pytest.raises(TypeError, match="it"):
            audit.sealing(**{**GIVEN, "outcome": outcome})


def test_a_number_too_large_for_some_readers_is_refused() -> None:
    audit.sealing(**{**GIVEN, "outcome": {"it": 2**53 - 1}})
    with pytest.raises(ValueError, match=r"outcome\.it"):
        audit.sealing(**{**GIVEN, "outcome": {"it": -(2**53)}})


@pytest.mark.parametrize(
    "part",
    [{"caller": "\ud800"}, {"turn": "\ud800"}, {"outcome": {"it": "\ud800"}}, {"payload": {"it": "\ud800"}}],
    ids=str,
)
def test_half_a_character_is_refused_before_anything_is_sealed(part: dict[str, Any]) -> None:
    with pytest.raises(CallerError, match="half a character"):
        audit.sealing(**{**GIVEN, **part})


@pytest.mark.parametrize(
    "part", [{"salt": b"short"}, {"kind": "invented"}, {"tenant": "A"}, {"payload": {"x": float("nan")}}], ids=str
)
def test_what_makes_no_event_is_refused_early(part: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        audit.sealing(**{**GIVEN, **part})


def test_the_subject_stands_under_the_commitment() -> None:
    assert audit.sealing(**GIVEN)(None).payload.body == '{"subject":"p"}'
    audit.sealing(**{**GIVEN, "payload": {"subject": "p"}})
    with pytest.raises(ValueError, match="'subject'"):
        audit.sealing(**{**GIVEN, "payload": {"subject": "q"}})


def test_nothing_follows_a_damaged_head() -> None:
    for damage in ({"hash": "x"}, {"at": "9999"}):
        head = Head.model_construct(**{"seq": 1, "hash": "0" * 64, "at": "2026-01-01T00:00:00.000000Z", **damage})
        with pytest.raises(TrailError, match="head of the trail of tenant 'a' is damaged"):
            audit.sealing(**GIVEN)(head)
