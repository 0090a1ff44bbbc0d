"""Holds the verifier's quick look at a line to the slow one, and erased payloads to the lines that say so."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emma_core import audit, canonical
from emma_core.audit import verifier
from emma_core.nouns import Head, TrailLine

TENANT, CONVERSATION = "a", 'c"1'


class Slow(verifier.Walk):
    """A walk that reads every line."""

    def _quick(self, line: Any) -> None:
        return None


def walked(walk: verifier.Walk, lines: list[TrailLine], head: Head | None) -> verifier.Found:
    for line in lines:
        if not walk.take(line):
            break
    return walk.finish(head)


def like_the_last(lines: list[TrailLine], more: int) -> tuple[list[TrailLine], Head]:
    """The trail goes on with lines whose caller and outcome were there before, as most are."""
    made = list(lines)
    for _ in range(more):
        said = {**json.loads(made[-1].line), "seq": made[-1].seq + 1, "prev": made[-1].hash}
        made.append(rewritten(made[-1], said))
    return made, Head(seq=made[-1].seq, hash=made[-1].hash, at=made[-1].at)


def rewritten(line: TrailLine, said: Any, text: str | None = None) -> TrailLine:
    """The line with what is said for its text, its hash and columns made anew, without a payload."""
    text = canonical.text(said) if text is None else text
    columns = {name: said.get(name) for name in ("seq", "kind", "at", "turn", "conversation")}
    # a store's columns are of their types, whatever the text says
    columns = {name: value for name, value in columns.items() if type(value) in (type(getattr(line, name)), type(None))}
    hash = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
    return line.model_copy(update={**columns, "line": text, "hash": hash, "payload": None})


def test_most_lines_are_told_by_a_quick_look(trail_of: Any) -> None:
    lines, _ = trail_of(1)
    lines, head = like_the_last(lines, 50)
    read: list[int] = []

    class Counting(verifier.Walk):
        def _fault(self, line: Any, last: int) -> Any:
            read.append(line.seq)
            return super()._fault(line, last)

    found = walked(Counting(TENANT), lines, head)

    assert found.lines == 51
    assert read == [1]


CHANGES: dict[str, Any] = {
    "at": st.sampled_from(
        ["2026-11-23T09:00:01.000000Z", "2026-11-23T09:00:01Z", "2027", "", "２026-11-23T09:00:01.000000Z"]
    ),
    "caller": st.sampled_from(["tester", "", "é", 'a"b', "a\\b", "\x7f", "a\u2028b", '","commitment":"', 7]),
    "commitment": st.sampled_from(["0" * 64, "0" * 63, "A" * 64, " " * 64, '"' + "0" * 63]),
    "conversation": st.sampled_from(["c", None, "", CONVERSATION, 'x","kind":"judged', "x\n", 3]),
    "kind": st.sampled_from(["judged", "erased", "guessed", "", "checkpointed"]),
    "outcome": st.sampled_from(
        [{"verdict": "clear", "number": 1}, {}, {"prev": "0" * 64, "seq": 2}, [], {"a": 1.5}, {"lines": 3}]
    ),
    "prev": st.sampled_from(["0" * 64, "f" * 64, "0"]),
    "seq": st.sampled_from([1, 2, 3, 4, 0, -1, True, "3"]),
    "tenant": st.sampled_from(["a", "b", "A", ""]),
    "turn": st.sampled_from(["t0", None, "", 't","v":1}', 't"', "\ud800"]),
    "v": st.sampled_from([1, 2, True, None]),
    "more": st.sampled_from([1, None]),
}  # fmt: skip


@given(data=st.data())
@settings(max_examples=400, suppress_health_check=list(HealthCheck), deadline=None)
def test_a_quick_look_tells_what_a_slow_one_tells(trail_of: Any, data: st.DataObject) -> None:
    lines, _ = trail_of(1)
    lines, _ = like_the_last(lines, 4)
    place = data.draw(st.integers(0, 4))
    said = json.loads(lines[place].line)
    for name in data.draw(st.lists(st.sampled_from(sorted(CHANGES)), max_size=2, unique=True)):
        said[name] = data.draw(CHANGES[name])
    said = {name: value for name, value in said.items() if value is not None}
    text = canonical.text(said)
    spelt = data.draw(
        st.sampled_from([text, text.replace('":"', '": "', 1), text + " ", text.replace("{", '{"v":1,', 1)])
    )
    changed = rewritten(lines[place], said, spelt)
    tail = []
    for after in lines[place + 1 :]:
        prev = (tail[-1] if tail else changed).hash
        tail.append(rewritten(after, {**json.loads(after.line), "prev": prev}))
    whole = [*lines[:place], changed, *tail]
    end = Head.model_construct(seq=whole[-1].seq, hash=whole[-1].hash, at=whole[-1].at)

    assert walked(verifier.Walk(TENANT), whole, end) == walked(Slow(TENANT), whole, end)


def erasing(trail_of: Any, ranges: Any, gone: range) -> audit.Verification:
    """Ten lines, some of which have no payload, and an `erased` line after them."""
    lines, head = trail_of(10)
    seal = audit.sealing(
        tenant="a",
        kind="erased",
        caller="officer",
        outcome={"subject_hash": "0" * 64, "lines": ranges, "erasure": "e-1"},
        payload={},
        subject="",
        now=datetime(2026, 11, 24, tzinfo=UTC),
        salt=bytes(32),
    )
    last = seal(head)
    bare = [line.model_copy(update={"payload": None}) if line.seq in gone else line for line in lines]
    return audit.verify([*bare, last], tenant="a", head=Head(seq=11, hash=last.hash, at=last.at))


@pytest.mark.parametrize(
    ("ranges", "gone", "ok", "erased", "bad"),
    [
        ([[3, 5]], range(3, 6), True, 3, None),
        ([[1, 2], [3, 10]], range(1, 11), True, 10, None),
        ([[4, 5]], range(3, 6), False, 2, 3),
        ([[3, 4]], range(3, 6), False, 2, 5),
        ([[3, 3], [5, 5]], range(3, 6), False, 2, 4),
        ([], range(3, 4), False, 0, 3),
        ([[1, 10]], range(0), True, 0, None),
        ([[5, 3]], range(3, 6), False, 0, 3),
    ],
)
def test_a_payload_that_is_gone_is_erased_where_a_later_line_says_so_and_else_missing(
    trail_of: Any, ranges: Any, gone: range, ok: bool, erased: int, bad: int | None
) -> None:
    found = erasing(trail_of, ranges, gone)

    assert (found.ok, found.erased, found.bad_seq) == (ok, erased, bad)
    assert found.withheld == len(gone) - erased
