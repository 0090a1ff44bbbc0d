"""Holds an export to being the trail as it lies in the store, readable and verifiable without it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from emma_core import audit
from emma_core.errors import CallerError
from emma_core.nouns import Head, Payload, TrailLine


def exported(path: Path, lines: list[TrailLine], head: Head | None, tenant: str = "a") -> Path:
    with path.open("w", encoding="ascii") as out:
        audit.write_export(lines, head, tenant=tenant, out=out)
    return path


def verified(path: Path) -> audit.Verification:
    export = audit.read_export(path)
    return audit.verify(export.lines(), tenant=export.tenant, head=export.head)


def test_an_export_reads_back_and_verifies_as_the_trail_it_was(trail_of: Any, tmp_path: Path) -> None:
    lines, head = trail_of(30, other="é🏠\u2028\n")
    path = exported(tmp_path / "a.jsonl", lines, head)

    export = audit.read_export(path)

    assert (export.tenant, export.head) == ("a", head)
    assert list(export.lines()) == lines
    assert list(export.lines()) == lines
    assert verified(path) == audit.verify(lines, tenant="a", head=head)


def test_an_empty_trail_is_exported_and_verifies(tmp_path: Path) -> None:
    assert verified(exported(tmp_path / "a.jsonl", [], None)).plain() == {
        "ok": True,
        "tenant": "a",
        "lines": 0,
        "withheld": 0,
        "erased": 0,
    }


def test_an_export_has_the_frozen_form(trail_of: Any) -> None:
    lines, head = trail_of(1)
    out = io.StringIO()

    audit.write_export([lines[0].model_copy(update={"turn": None})], head, tenant="a", out=out)

    first, second = out.getvalue().splitlines()
    assert json.loads(first) == {"format": "emma-trail", "v": 1, "tenant": "a", "head": head.plain()}
    assert json.loads(second) == {
        "seq": 1,
        "kind": "judged",
        "at": lines[0].at,
        "conversation": "c",
        "line": lines[0].line,
        "hash": lines[0].hash,
        "payload": lines[0].payload.plain(),
    }


def test_a_trail_that_was_tampered_with_is_exported_as_it_is(trail_of: Any, tmp_path: Path) -> None:
    lines, head = trail_of(3)
    broken = Payload.model_construct(subject="p", salt="no hex", body="\udcff")
    spoilt = TrailLine.model_construct(**{**dict(lines[1]), "kind": "invented", "line": "\udcff", "payload": broken})

    path = exported(tmp_path / "a.jsonl", [lines[0], spoilt, lines[2]], head)

    assert verified(path).bad_seq == 2
    assert list(audit.read_export(path).lines())[1] == spoilt


def test_an_export_that_lost_whole_lines_does_not_verify(trail_of: Any, tmp_path: Path) -> None:
    lines, head = trail_of(5)
    path = exported(tmp_path / "a.jsonl", lines, head)
    text = path.read_text().splitlines(keepends=True)

    for gone in range(1, 6):
        path.write_text("".join(text[:gone] + text[gone + 1 :]))
        assert verified(path).bad_seq == gone


def test_an_export_cut_anywhere_is_one_error_or_does_not_verify(trail_of: Any, tmp_path: Path) -> None:
    lines, head = trail_of(2)
    path = exported(tmp_path / "a.jsonl", lines, head)
    whole = path.read_bytes()

    for length in range(len(whole) - 1):
        path.write_bytes(whole[:length])
        try:
            assert not verified(path).ok
        except CallerError as error:
            assert str(path) in str(error)
            assert "export" in str(error)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"hello\n",
        b"[]\n",
        b"{}\n",
        b'{"format":"other"}\n',
        b'{"format":"emma-trail","v":1}\n',
        b'{"format":"emma-trail","v":2,"tenant":"a","head":null}\n',
        b'{"format":"emma-trail","v":1,"tenant":"a","head":{"seq":"1"}}\n',
        b'{"format":"emma-trail","v":1,"tenant":7,"head":null}\n',
        b"\xff\xfe\x00",
        b"PK\x03\x04",
        b"[" * 100_000,
        b"SQLite format 3\0",
    ],
    ids=lambda content: repr(content[:50]),
)
def test_a_foreign_file_is_one_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "some.jsonl"
    path.write_bytes(content)

    with pytest.raises(CallerError, match=r"some\.jsonl"):
        verified(path)


def test_a_file_that_is_not_there_or_is_a_folder_is_one_error(tmp_path: Path) -> None:
    for path in (tmp_path / "none.jsonl", tmp_path):
        with pytest.raises(CallerError, match="cannot be read"):
            audit.read_export(path)


@pytest.mark.parametrize(
    "row",
    ["{}", "[]", '"x"', '{"seq":true}', "null", '{"v":1}'],
)
def test_a_row_that_is_no_line_is_one_error_that_names_it(trail_of: Any, tmp_path: Path, row: str) -> None:
    lines, head = trail_of(2)
    path = exported(tmp_path / "a.jsonl", lines, head)
    path.write_text(path.read_text() + row + "\n")

    with pytest.raises(CallerError, match="line 4 of"):
        list(audit.read_export(path).lines())


@pytest.mark.parametrize(
    "update", [{"seq": "1"}, {"seq": 1.0}, {"turn": None}, {"payload": []}, {"payload": {"body": "x"}}, {"more": "x"}]
)
def test_a_row_with_other_fields_or_types_is_one_error(trail_of: Any, tmp_path: Path, update: dict[str, Any]) -> None:
    lines, head = trail_of(1)
    path = exported(tmp_path / "a.jsonl", lines, head)
    first, second = path.read_text().splitlines()
    path.write_text(first + "\n" + json.dumps({**json.loads(second), **update}) + "\n")

    with pytest.raises(CallerError, match="line 2 of"):
        list(audit.read_export(path).lines())
