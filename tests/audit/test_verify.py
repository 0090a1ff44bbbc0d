"""Holds the verifier to naming the first line that is not as it was sealed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emma_core import audit, canonical
from emma_core.nouns import Head, Payload, TrailLine

LENGTH = 30
PLACES = range(LENGTH)


def bad_seq(lines: list[TrailLine], head: Head | None) -> int | None:
    checked = audit.verify(lines, tenant="a", head=head)
    assert checked.ok == (checked.bad_seq is None) == (checked.reason is None)
    return checked.bad_seq


def changed(line: Any, /, **update: Any) -> Any:
    return line.model_copy(update=update)


def resealed(line: TrailLine, /, **update: Any) -> TrailLine:
    """The line with another text, its hash made anew and its columns brought in line."""
    said = {**json.loads(line.line), **update}
    text = canonical.text(said)
    columns = {name: said[name] for name in ("seq", "kind", "at", "turn", "conversation") if name in update}
    return changed(line, line=text, hash=hashlib.sha256(text.encode()).hexdigest(), **columns)


def test_a_trail_as_it_was_sealed_holds(trail_of: Any) -> None:
    lines, head = trail_of(LENGTH)

    checked = audit.verify(iter(lines), tenant="a", head=head)

    assert checked.plain() == {"ok": True, "tenant": "a", "lines": 30, "head": head.plain(), "withheld": 0, "erased": 0}
    empty = {"ok": True, "tenant": "a", "lines": 0, "withheld": 0, "erased": 0}
    assert audit.verify([], tenant="a", head=None).plain() == empty


COLUMNS: dict[str, Any] = {
    "seq": 999,
    "kind": "stopped",
    "at": "2026-11-23T09:00:00.000000Z",
    "turn": None,
    "conversation": "d",
    "hash": "0" * 64,
    "line": "{}",
}


@pytest.mark.parametrize("column", [name for name in COLUMNS if name != "seq"])
def test_a_changed_column_of_any_line_is_named(trail_of: Any, column: str) -> None:
    lines, head = trail_of(LENGTH)

    for place in PLACES:
        edited = [*lines[:place], changed(lines[place], **{column: COLUMNS[column]}), *lines[place + 1 :]]
        assert bad_seq(edited, head) == place + 1


def test_any_changed_byte_of_a_line_is_named(trail_of: Any) -> None:
    lines, head = trail_of(3)
    text = lines[1].line

    for at in range(len(text)):
        for other in {text[at].swapcase(), "0", " ", "é", "\udcff", ""} - {text[at]}:
            edited = changed(lines[1], line=text[:at] + other + text[at + 1 :])
            assert bad_seq([lines[0], edited, lines[2]], head) == 2


@pytest.mark.parametrize(
    "update",
    [
        {"outcome": {"verdict": "blocked"}},
        {"caller": "other"},
        {"kind": "stopped"},
        {"turn": "x"},
        {"at": "2026-11-23T09:59:59.999999Z"},
    ],
)
def test_a_line_edited_with_its_hash_made_anew_is_named(trail_of: Any, update: dict[str, Any]) -> None:
    lines, head = trail_of(LENGTH)

    for place in PLACES:
        edited = [*lines[:place], resealed(lines[place], **update), *lines[place + 1 :]]
        assert bad_seq(edited, head) == place + 1


def test_a_deleted_line_is_named(trail_of: Any) -> None:
    lines, head = trail_of(LENGTH)

    for place in PLACES:
        assert bad_seq([*lines[:place], *lines[place + 1 :]], head) == place + 1


def test_a_deleted_line_is_named_where_the_rest_moved_up(trail_of: Any) -> None:
    lines, head = trail_of(LENGTH)

    for place in PLACES[:-1]:
        moved = [changed(line, seq=line.seq - 1) for line in lines[place + 1 :]]
        assert bad_seq([*lines[:place], *moved], head) == place + 1


def test_an_inserted_line_is_named(trail_of: Any) -> None:
    lines, head = trail_of(LENGTH)
    forged, _ = trail_of(LENGTH, other="forged")

    for place in range(LENGTH):
        twice = [*lines[: place + 1], lines[place], *lines[place + 1 :]]
        assert bad_seq(twice, head) == place + 1
        before = lines[place - 1].hash if place else "0" * 64
        fitting = resealed(forged[place], prev=before, seq=place + 1)
        shifted = [changed(line, seq=line.seq + 1) for line in lines[place:]]
        assert bad_seq([*lines[:place], fitting, *shifted], head) == place + 1


def test_a_line_added_past_the_head_is_named(trail_of: Any) -> None:
    lines, _ = trail_of(LENGTH)

    for place in PLACES[1:]:
        head = Head(seq=place, hash=lines[place - 1].hash, at=lines[place - 1].at)
        assert bad_seq(lines[: place + 1], head) == place + 1


def test_two_swapped_lines_are_named(trail_of: Any) -> None:
    lines, head = trail_of(LENGTH)

    for place in PLACES[:-1]:
        first, second = lines[place], lines[place + 1]
        in_order = [*lines[:place], second, first, *lines[place + 2 :]]
        renumbered = [
            *lines[:place],
            changed(second, seq=first.seq),
            changed(first, seq=second.seq),
            *lines[place + 2 :],
        ]
        assert bad_seq(in_order, head) == place + 1
        assert bad_seq(renumbered, head) == place + 1


def test_a_cut_tail_is_named(trail_of: Any) -> None:
    lines, head = trail_of(LENGTH)

    for kept in PLACES:
        assert bad_seq(lines[:kept], head) == kept + 1


def test_a_head_that_was_changed_or_lost_is_noticed(trail_of: Any) -> None:
    lines, head = trail_of(LENGTH)

    assert bad_seq(lines, None) == LENGTH
    assert bad_seq(lines, changed(head, hash="0" * 64)) == LENGTH
    assert bad_seq(lines, changed(head, at="2026-01-01T00:00:00.000000Z")) == LENGTH
    assert bad_seq(lines, Head.model_construct(seq=-1, hash="", at="")) == 1
    assert bad_seq([], Head.model_construct(seq=0, hash="", at="")) == 1


def test_a_missing_payload_is_named_and_the_chain_still_walked(trail_of: Any) -> None:
    lines, head = trail_of(LENGTH)

    for place in PLACES:
        withheld = [changed(line, payload=None) if line.seq in (place + 1, 30) else line for line in lines]
        checked = audit.verify(withheld, tenant="a", head=head)
        assert (checked.ok, checked.bad_seq, checked.lines, checked.head) == (False, place + 1, 30, head)
        assert checked.withheld == (1 if place == 29 else 2)
    cut = audit.verify(withheld[:10] + withheld[11:], tenant="a", head=head)
    assert (cut.bad_seq, cut.reason) == (11, "line 11 is missing: line 12 comes after line 10")


@pytest.mark.parametrize(
    "update",
    [
        {"subject": "somebody else"},
        {"salt": "e" * 64},
        {"salt": "no hex"},
        {"salt": " " + "0" * 62 + "01"},
        {"body": '{"subject":"person 1","words":"other"}'},
        {"body": "\udcff"},
        {"body": ""},
    ],
    ids=str,
)
def test_a_changed_payload_of_any_line_is_named(trail_of: Any, update: dict[str, str]) -> None:
    lines, head = trail_of(LENGTH)

    for place in PLACES:
        spoilt = Payload.model_construct(**{**dict(lines[place].payload), **update})
        assert bad_seq([*lines[:place], changed(lines[place], payload=spoilt), *lines[place + 1 :]], head) == place + 1


def test_a_payload_moved_to_another_line_is_named(trail_of: Any) -> None:
    lines, head = trail_of(LENGTH)

    for place in PLACES[:-1]:
        moved = [changed(line, payload=lines[place].payload) if line.seq == place + 2 else line for line in lines]
        assert bad_seq(moved, head) == place + 2


def test_a_line_of_another_tenant_is_named(trail_of: Any) -> None:
    lines, head = trail_of(LENGTH)
    others, other_head = trail_of(LENGTH, tenant="aa")

    for place in PLACES:
        assert bad_seq([*lines[:place], others[place], *lines[place + 1 :]], head) == place + 1
    assert bad_seq(others, other_head) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("no json", "cannot be read as an event"),
        ("[]", "cannot be read as an event"),
        ("{}", "v=None"),
        ('{"v":2,"tenant":"a","seq":2}', "v=2, which is unknown here; verify with a newer Emma"),
        ('{"v":1,"tenant":"a","seq":2}', "cannot be read as an event"),
        ("[" * 100_000, "cannot be read as an event"),
    ],
    ids=lambda text: text[:30],
)
def test_a_line_that_says_no_event_is_named(trail_of: Any, text: str, reason: str) -> None:
    lines, head = trail_of(3)
    lines[1] = changed(lines[1], line=text, hash=hashlib.sha256(text.encode()).hexdigest())

    checked = audit.verify(lines, tenant="a", head=head)

    assert checked.bad_seq == 2
    assert reason in str(checked.reason)


def test_a_line_written_in_another_form_is_named(trail_of: Any) -> None:
    lines, head = trail_of(3)
    for text in (json.dumps(json.loads(lines[2].line)), lines[2].line.replace('{"at"', '{"at":"x","at"')):
        hash = hashlib.sha256(text.encode()).hexdigest()
        checked = audit.verify(
            [*lines[:2], changed(lines[2], line=text, hash=hash)], tenant="a", head=changed(head, hash=hash)
        )
        assert checked.bad_seq == 3
        assert "canonical" in str(checked.reason)


def test_a_line_older_than_the_one_before_is_named(trail_of: Any) -> None:
    lines, head = trail_of(3)
    lines[2] = resealed(lines[2], at="2026-11-23T08:00:00.000000Z")

    checked = audit.verify(lines, tenant="a", head=changed(head, hash=lines[2].hash, at=lines[2].at))

    assert (checked.bad_seq, checked.reason) == (3, "line 3 is older than the line before it")


def test_no_more_lines_are_read_than_are_needed(trail_of: Any) -> None:
    lines, head = trail_of(LENGTH)
    read: list[int] = []

    def handed() -> Iterator[TrailLine]:
        for line in lines:
            read.append(line.seq)
            yield changed(line, kind="stopped") if line.seq == 7 else line

    assert audit.verify(handed(), tenant="a", head=head).lines == 6
    assert read == [1, 2, 3, 4, 5, 6, 7]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # the fixture only hands a pure function over
@given(st.data())
def test_no_other_arrangement_of_the_same_lines_holds(trail_of: Any, data: st.DataObject) -> None:
    lines, head = trail_of(6)
    drawn = data.draw(st.lists(st.sampled_from(lines), max_size=8) | st.permutations(lines))

    assert audit.verify(drawn, tenant="a", head=head).ok == (drawn == lines)
