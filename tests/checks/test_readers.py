"""Holds the readers to it: a record that cannot be read is named and the others are checked, or one clear error."""

from __future__ import annotations

import gzip
import json
from datetime import date
from decimal import Decimal

import pandas as pd
import polars as pl
import pytest
from emma_mortgage.lar import ROW

from emma_core import CallerError
from emma_core.backends.readers import lines, tables

ENGINES = ["closures", "polars"]
UNKNOWN = "acme.hmda.v625"
PARCELS = "acme/parcels"


def told(report):
    """What was found: record and rule."""
    return [(each.record, each.rule.partition(".")[2]) for each in report.findings if each.rule != UNKNOWN]


@pytest.fixture
def write(tmp_path):
    """Writes a file."""

    def write_(raw, name="lar.txt"):
        path = tmp_path / name
        path.write_bytes(raw if isinstance(raw, bytes) else raw.encode())
        return path

    return write_


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("bad", "found", "words"),
    [
        pytest.param("2|LEI|u", "lar.fields", "has 3 fields in place of 110", id="too few"),
        pytest.param(None, "lar.fields", "has 111 fields in place of 110", id="too many"),
        pytest.param("\udce9", "lar.encoding", "Byte 7 of this row is not UTF-8", id="a byte that is not UTF-8"),
        pytest.param("", "hmda.s300", "has no mark and has 1 field;", id="a blank line"),
        pytest.param("1|x|2024", "hmda.s300", "is marked '1' and has 3 fields", id="a second sheet"),
    ],
)
async def test_a_row_that_cannot_be_read_is_named_and_the_others_are_checked(
    check, write, filing, bad, found, words, engine
):
    good = filing.row("a", action_taken="1")
    line = {None: filing.row("b") + "|", "\udce9": filing.row("\udce9")}.get(bad, bad)
    path = write(filing.lar(good, line, line, filing.row("c", loan_amount="0"), good))

    report = await check(path, engine=engine)

    assert told(report) == [(2, found), (3, found), (4, "hmda.v610"), (None, "hmda.s306")]
    assert words in report.findings[0].message
    assert report.findings[0].outcome == "failed" and report.findings[0].suggestion is not None
    assert report.records == 5
    assert report.verdict == "blocked"
    assert "Records 1, 5." in next(each.message for each in report.findings if each.rule.endswith("s306"))


@pytest.mark.parametrize("engine", ENGINES)
async def test_line_ends_a_mark_and_blank_lines_at_the_end_change_nothing(check, write, filing, engine):
    plain = filing.lar(filing.row("é", loan_amount="0"), filing.row("b"))
    wanted = (await check(write(plain), engine=engine)).findings
    for raw in (
        plain.replace(b"\n", b"\r\n"),
        plain.removesuffix(b"\n"),
        plain + b"\n\r\n\n",
        b"\xef\xbb\xbf" + plain,
        plain.replace(b"\n", b"\r\n").removesuffix(b"\r\n"),
    ):
        report = await check(write(raw), engine=engine)
        assert report.findings == wanted
        assert report.records == 2


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
async def test_a_file_that_is_read_in_many_pieces_says_what_it_says_in_one(
    check, write, filing, monkeypatch, engine, end
):
    rows = [filing.row(f"ü{number % 29}", loan_amount="50"[number % 2], action_taken="1") for number in range(60)]
    rows[7], rows[8], rows[30], rows[59] = "2|LEI|u", "", filing.row("\udce9"), filing.row("b") + "|"
    path = write(filing.lar(*rows).replace(b"\n", end).removesuffix(end) + end * 3)
    whole = await check(path, engine=engine)

    for size in (1, 300, 5_000):
        monkeypatch.setattr(lines, "LOOKED_AT", size)
        monkeypatch.setattr(lines, "BLOCK", size)
        assert await _findings(check, path, engine=engine) == [each.plain() for each in whole.findings]
    assert len(whole.findings) > 50
    assert sum("Records 1, 30, 59." in each.message for each in whole.findings) == 1


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_function_that_raises_in_one_piece_of_a_file_breaks_that_and_no_other(
    check, write, monkeypatch, engine
):
    path = write(
        "label\n" + "".join(f"{label}\n" for label in ("ok", "zzzz", "odd", "bb", "ok", "zzzz", "bb")), "p.csv"
    )
    whole = await _findings(check, path, rules="acme/broken", engine=engine)

    monkeypatch.setattr(tables, "SIZE", 2)

    assert await _findings(check, path, rules="acme/broken", engine=engine) == whole
    assert [(each["record"], each["outcome"]) for each in whole] == [
        (2, "failed"),
        (3, "broken"),
        (4, "failed"),
        (6, "failed"),
        (7, "failed"),
    ]


async def _findings(check, path, **more):
    return [each.plain() for each in (await check(path, **more)).findings]


async def test_a_file_without_a_transmittal_sheet_says_so_and_its_rows_are_checked(check, write, filing):
    rows = filing.lar(filing.row("a"), filing.row("b", loan_amount="0")).partition(b"\n")[2]

    report = await check(write(rows))

    assert [(each.record, each.rule.rpartition(".")[2], each.outcome) for each in report.findings] == [
        (0, "s300_ts", "failed"),
        (2, "v610", "failed"),
        (None, "s301", "undetermined"),
        (None, "v625", "undetermined"),
        (None, "s304", "undetermined"),
    ]
    assert report.findings[0].source.citation == "S300"
    assert report.findings[2].missing == ("ts_lei",)


@pytest.mark.parametrize(
    ("sheet", "found", "words"),
    [
        (b"1|x|2024|4", "lar.fields", "has 4 fields; it has 15"),
        (b"1|\xe9" + b"|x" * 13, "lar.encoding", "not UTF-8"),
    ],
)
async def test_a_transmittal_sheet_that_cannot_be_read_is_record_0(check, write, filing, sheet, found, words):
    rows = filing.lar(filing.row("a", loan_amount="0")).partition(b"\n")[2]

    report = await check(write(sheet + b"\n" + rows))

    assert told(report)[:2] == [(0, found), (1, "hmda.v610")]
    assert words in report.findings[0].message


@pytest.mark.parametrize(
    ("name", "raw", "words"),
    [
        ("lar.txt", b"", "is empty"),
        ("lar.txt", gzip.compress(b"1|x", mtime=0), "packed with gzip"),
        ("lar.txt", b"PK\x03\x04....", "packed with zip"),
        ("lar.txt", "1|x".encode("utf-16"), "is UTF-16"),
        ("lar.txt", b"hello\nworld\n", "no loan/application register"),
        ("lar.txt", b"\n\n", "no loan/application register"),
        ("lar.txt", bytes(range(1, 256)), "no loan/application register"),
        ("lar.txt", b"PAR1....", "Parquet file under another name"),
        ("lar.parquet", b"PAR1....", "cannot be read as Parquet"),
        ("lar.csv", b"uli,uli\n1,2\n", "'uli' stands twice"),
        ("lar.csv", b"ullii,b\n1,2\n", "did you mean 'uli'?"),
        ("lar.csv", b"uli,\xe9\n1,2\n", "its header cannot be read"),
        ("lar.csv", b'uli,"b\n1,2\n', "its header cannot be read"),
        ("lar.jsonl", b"[]\n", "none of its columns"),
    ],
)
async def test_a_file_that_is_none_is_one_clear_error_and_nothing_is_written(check, write, kinds, name, raw, words):
    with pytest.raises(CallerError, match=words):
        await check(write(raw, name))

    assert await kinds() == []


async def test_what_is_no_file_is_one_clear_error(check, tmp_path, write, filing):
    for path, words in (
        (tmp_path, "is a folder"),
        (tmp_path / "nowhere.txt", "No such file"),
        ("a\0b", "cannot be read"),
        (5, "A int cannot be checked"),
    ):
        with pytest.raises(CallerError, match=words):
            await check(path)
    with pytest.raises(CallerError, match=r"no reader for '\.xlsx'"):
        await check(write(b"x", "loans.xlsx"), rules=PARCELS)


CSV = '''id,weight,sent_on,fragile,label,kind,marks,unknown
p1,30.5,2024-01-01,true,"a, b",box,glass;top,?
p2,30.6,2024-01-01,FALSE,"two
lines",,,
p3,heavy,2024-02-30,maybe,x,tube,,
p4,1
p5,1,,,,,,
p6,"9""",,,x,,,
p7,0.12345678901,,true,x,,"[""glass""]",
'''


@pytest.mark.parametrize("engine", ENGINES)
async def test_csv_is_typed_as_its_facts_and_what_does_not_fit_is_named(check, write, engine):
    report = await check(write(CSV, "parcels.csv"), rules=PARCELS, engine=engine)

    assert [(each.record, each.rule, each.outcome) for each in report.findings] == [
        (1, "acme.parcels.late", "failed"),
        (2, "acme.parcels.weight", "failed"),
        (2, "acme.parcels.late", "failed"),
        (3, "global.file.values", "failed"),
        (4, "global.file.fields", "failed"),
        (5, "acme.parcels.label", "failed"),
        (5, "acme.parcels.marked", "undetermined"),
        (6, "global.file.values", "failed"),
    ]
    by_record = {each.record: each for each in report.findings}
    assert by_record[3].fields == ("weight", "sent_on", "fragile", "kind")
    assert "'heavy' is no number" in by_record[3].message
    assert by_record[2].key == "p2"
    assert report.findings[1].values == {"weight": Decimal("30.6")}
    assert report.findings[1].message == "30.6 kg."
    assert report.records == 7


async def test_csv_with_and_without_quotes_is_the_same(check, write):
    plain = "weight,label\n31,a\n1,\n1\n2,b,c\n"
    bare = await check(write(plain, "a.csv"), rules=PARCELS)
    quoted = await check(write(plain.replace("31,a", '"31","a"'), "b.csv"), rules=PARCELS)
    tabbed = await check(write(plain.replace(",", "\t"), "c.tsv"), rules=PARCELS)

    assert [(each.record, each.rule.rpartition(".")[2]) for each in bare.findings] == [
        (1, "weight"),
        (1, "late"),
        (1, "marked"),
        (2, "label"),
        (2, "marked"),
        (3, "fields"),
        (4, "fields"),
    ]
    assert bare.findings == quoted.findings == tabbed.findings


@pytest.mark.parametrize("engine", ENGINES)
async def test_json_lines_keep_their_types_and_name_the_lines_that_are_none(check, write, engine):
    lines = [
        '{"weight": 30.50000001, "label": "x", "sent_on": "2023-01-01"}',
        '{"weight": "31", "label": "x"}',
        "{",
        '{"weight": NaN}',
        '{"weight": 1, "weight": 2}',
        "",
        "[1]",
        '{"weight": null, "label": "é", "fragile": true, "marks": ["glass"], "other": {"a": 1}}',
        "{}",
    ]
    report = await check(write("\n".join(lines), "p.ndjson"), rules=PARCELS, engine=engine)

    bad = {each.record: each.message for each in report.findings if each.rule.startswith("global.file.")}
    assert list(bad) == [2, 3, 4, 5, 6]
    assert "Fact 'weight': '31' is no number" in bad[2]
    assert "not JSON" in bad[3]
    assert "NaN is no number" in bad[4]
    assert "stands twice" in bad[5]
    assert "is a list and no object" in bad[6]
    assert report.records == 8
    assert {each.record for each in report.findings if each.outcome == "undetermined"} == {1, 7, 8}


async def test_a_file_a_frame_and_records_come_to_the_same(check, tmp_path):
    rows = [
        {"weight": Decimal("31.5"), "sent_on": date(2024, 1, 1), "fragile": True, "label": "x", "marks": ["top"]},
        {"weight": None, "sent_on": None, "fragile": False, "label": "", "marks": []},
    ]
    frame = pl.DataFrame(rows, schema_overrides={"weight": pl.Decimal(18, 6)})
    frame.write_parquet(tmp_path / "p.parquet")
    said = [
        {**row, "weight": number, "sent_on": day}
        for row, number, day in zip(rows, (31.5, None), ("2024-01-01", None), strict=True)
    ]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in said))

    reports = [
        await check(source, rules=PARCELS)
        for source in (rows, iter(rows), frame, frame.lazy(), tmp_path / "p.parquet", tmp_path / "p.jsonl")
    ]

    assert {len(report.findings) for report in reports} == {6}
    assert len({report.root for report in reports}) == 1
    assert reports[0].file_hash == reports[1].file_hash
    assert reports[2].file_hash == reports[3].file_hash


async def test_a_pandas_frame_says_what_its_file_says_however_it_marks_what_is_missing(check, write):
    text = "id,weight,sent_on,fragile,label\n7,31.5,2024-01-01,true,x\n8,,,,\n9,9,2023-05-06,false,y\n"
    missing = [{"label": "", **row} for row in ({"id": 8},)]
    rows = [
        {"id": 7, "weight": 31.5, "sent_on": date(2024, 1, 1), "fragile": True, "label": "x"},
        *missing,
        {"id": 9, "weight": 9, "sent_on": date(2023, 5, 6), "fragile": False, "label": "y"},
    ]
    plain = pd.DataFrame(rows)
    typed = plain.astype({"weight": "Float64", "fragile": "boolean", "label": "string", "sent_on": "datetime64[s]"})

    wanted = await check(write(text, "p.csv"), rules=PARCELS)
    for source in (plain, typed, plain.astype(object), pl.DataFrame(rows), rows):
        report = await check(source, rules=PARCELS)
        assert report.findings == wanted.findings
        assert [each.key for each in report.findings][:1] == ["7"]


@pytest.mark.parametrize("engine", ENGINES)
async def test_rows_of_a_register_say_the_same_as_frames_and_records_and_are_lifted_alike(check, write, filing, engine):
    rows = [filing.row(f"u{n}", loan_amount=str(n), loan_type="4" if n % 2 else "1") for n in range(5)]
    records = [dict(zip(ROW, row.split("|"), strict=True)) for row in rows]

    def of_rows(report):
        return [each for each in report.findings if each.record]

    wanted = of_rows(await check(write(filing.lar(*rows)), engine=engine))
    for source in (records, pd.DataFrame(records), pl.DataFrame(records), pl.LazyFrame(records)):
        assert of_rows(await check(source, engine=engine)) == wanted

    assert [each.key for each in wanted] == ["u0", "u1", "u3"]
    assert [each.override is None for each in wanted] == [True, False, False]


async def test_a_pandas_frame_with_a_column_twice_is_one_clear_error(check):
    frame = pd.DataFrame([["a", "b"]], columns=["label", "label"])

    with pytest.raises(CallerError, match="the column 'label' stands twice"):
        await check(frame, rules=PARCELS)


async def test_a_column_that_cannot_be_a_text_is_one_clear_error(check):
    with pytest.raises(CallerError, match="the column 'label' is Int64, and the fact is a text"):
        await check(pl.DataFrame({"label": [1]}), rules=PARCELS)
