"""Holds a check to its contract: every record, every rule, one report, one line on the trail, on any engine."""

from __future__ import annotations

import hashlib
import json
from datetime import date

import pytest

from emma_core import CallerError, NotFound, audit, checks, rules
from emma_core.audit import MerkleTree

ENGINES = ["closures", "polars"]
UNKNOWN = "acme.hmda.v625"  # its table is not there


def told(report, *, without=(UNKNOWN,)):
    """What was found: record and rule."""
    return [(each.record, each.rule.rpartition(".")[2]) for each in report.findings if each.rule not in without]


@pytest.fixture
def file(tmp_path, filing):
    """Writes a register of these rows."""

    def write(*rows, name="lar.txt", **more):
        path = tmp_path / name
        path.write_bytes(filing.lar(*rows, **more))
        return path

    return write


@pytest.mark.parametrize("engine", ENGINES)
async def test_each_row_that_fails_is_named_with_its_values_its_source_and_what_would_mend_it(
    check, file, filing, engine
):
    report = await check(file(filing.row("a"), filing.row("b", loan_amount="0")), engine=engine)

    [finding] = [each for each in report.findings if each.rule != UNKNOWN]
    assert finding.plain() | {"rule_hash": "", "basis": ""} == {
        "rule": "acme.hmda.v610",
        "ruleset": "acme/hmda",
        "edition": "2024",
        "rule_hash": "",
        "outcome": "failed",
        "severity": "error",
        "message": "The amount is 0.",
        "values": {"loan_amount": "0"},
        "fields": ["loan_amount"],
        "record": 2,
        "key": "b",
        "basis": "",
        "as_of": report.as_of.isoformat(),
        "source": {"kind": "standard", "citation": "V610", "read_on": "2026-11-23"},
        "suggestion": {"text": "Write an amount."},
        "would_pass": "number(loan_amount) > 0",
    }
    assert finding.basis == {"loan_amount": "record"}
    assert (report.records, report.found, report.verdict, report.engine) == (2, 2, "blocked", engine)


@pytest.mark.parametrize("engine", ENGINES)
async def test_the_head_is_record_0_and_what_holds_for_the_whole_has_none(check, file, filing, engine):
    rows = [filing.row("a", action_taken="1"), filing.row("b"), filing.row("a", action_taken="1"), filing.row("a")]
    report = await check(file(*rows, entries=9, record_id="7"), engine=engine)

    assert told(report) == [(0, "s300_ts"), (None, "s304"), (None, "s306")]
    assert report.findings[-1].message == "It is not so: s306. Records 1, 3."
    assert report.findings[-1].values == {"uli": "a"}


@pytest.mark.parametrize("engine", ENGINES)
async def test_rows_that_are_alike_are_told_group_by_group(check, file, filing, engine):
    rows = [filing.row(uli, action_taken="1") for uli in ("a", "b", "c", "b", "a", "a")]
    report = await check(file(*rows), engine=engine)

    assert [each.message.partition(".")[2].strip() for each in report.findings if each.rule.endswith("s306")] == [
        "Records 1, 5, 6.",
        "Records 2, 4.",
    ]


async def test_a_table_that_is_absent_is_told_once_and_one_that_is_brought_is_read(check, file, filing, tmp_path):
    path = file(filing.row("a", tract="1"), filing.row("b", tract="2"))
    (tmp_path / "census.csv").write_text("tract,county\n1,01\n3,02\n")

    bare = await check(path)
    brought = await check(path, tables={"census": tmp_path / "census.csv"})

    assert [(each.record, each.outcome) for each in bare.findings] == [(None, "undetermined")]
    assert "census_tract" in bare.findings[0].message
    assert bare.verdict == "needs_facts"
    assert told(brought, without=()) == [(2, "v625")]
    with pytest.raises(NotFound, match="no rule in use reads"):
        await check(path, tables={"sensus": tmp_path / "census.csv"})


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_function_that_raises_breaks_its_rule_and_passes_nothing(check, engine):
    labels = ["ok", "odd", "bb", "", "fine", "zzzz", "ok"]
    report = await check([{"label": label} for label in labels], rules="acme/broken", engine=engine)

    assert [(each.record, each.rule.rpartition(".")[2], each.outcome) for each in report.findings] == [
        (2, "whole", "broken"),
        (3, "plain", "failed"),
        (6, "whole", "failed"),
    ]
    assert report.verdict == "broken"


async def test_the_engines_tell_the_same_of_the_same_file_to_the_byte(check, file, filing):
    rows = [
        filing.row(
            f"u{number % 97}",
            loan_amount=["5", "0", "", "-1", "1.0000004", "x", "1e5", "999999999999.5", "٣"][number % 9],
            loan_type="4" if number % 7 == 0 else "é",
            action_taken="1" if number % 5 == 0 else "2",
            lei="LEI" if number % 11 else "",
            record_id="2" if number % 13 else "",
        )
        for number in range(1_000)
    ]
    rows[500] = "2|short"
    path = file(*rows, entries=1)

    first, second = [await check(path, engine=engine) for engine in ENGINES]

    assert first.found > 1_000
    assert [each.plain() for each in first.findings] == [each.plain() for each in second.findings]
    assert first.root == second.root
    assert first.counts == second.counts


async def test_a_limit_lists_fewer_and_counts_all(check, file, filing):
    path = file(*[filing.row(f"u{number}", loan_amount="0", loan_type="4") for number in range(50)])

    whole, some, none = await check(path), await check(path, limit=7), await check(path, limit=0)

    assert some.findings == whole.findings[:7]
    assert none.findings == ()
    for each in (some, none):
        assert (each.found, each.counts, each.verdict) == (whole.found, whole.counts, whole.verdict)
    assert len({whole.root, some.root, none.root}) == 3


async def test_the_verdict_is_that_of_a_turn_over_the_same_findings(check, desk, file, filing):
    files = {
        "clear": file(filing.row(), name="a.txt"),
        "needs_override": file(filing.row(loan_type="4"), name="b.txt"),
        "blocked": file(filing.row(loan_type="4", loan_amount=""), name="c.txt"),
    }
    async with desk() as opened:
        found = opened._house.packs.rulesets("acme/hmda@2024")[0].rules
    by_id = {each.rule.id: each for each in found}

    for word, path in files.items():
        report = await check(path)
        failed = [each for each in report.findings if each.rule != UNKNOWN]
        assert rules.verdict(failed, by_id) == word
        assert rules.verdict(report.findings, by_id) == report.verdict


async def test_a_check_is_sealed_with_the_hashes_of_file_and_rules_and_the_root_over_its_findings(
    check, desk, file, filing
):
    path = file(filing.row(loan_amount="0"), filing.row("v", loan_amount="0"), name="secret-name.txt")
    report = await check(path)
    async with desk() as opened:
        [line] = await (await opened.trail()).lines()

    sealed = json.loads(line.line)["outcome"]
    tree = MerkleTree()
    for finding in report.findings:
        tree.add(checks.leaf(finding))
    assert sealed["file_hash"] == hashlib.sha256(path.read_bytes()).hexdigest() == report.file_hash
    assert sealed["root"] == tree.root() == report.root
    assert [each["ruleset"] for each in sealed["rulesets"]] == ["acme/hmda@2024"]
    assert (sealed["check"], sealed["verdict"], sealed["partial"]) == (report.id, "blocked", False)
    assert {"rule": "acme.hmda.v610", "failed": 2, "undetermined": 0, "broken": 0} in sealed["counts"]
    assert "secret-name" not in line.line and line.payload is not None and "secret-name" in line.payload.body
    assert report.trail is not None and report.trail.hash == line.hash
    assert audit.timeline([line])[0].verdict == "blocked"


async def test_a_check_that_is_stopped_says_that_it_is_partial_and_tells_nothing_of_the_whole(
    desk, file, filing, kinds
):
    path = file(*[filing.row(f"u{number}", loan_amount="0") for number in range(3_000)], entries=1)
    asked = []

    def stop():
        asked.append(True)
        return len(asked) > 1_500

    async with desk() as opened:
        report = await opened.check(path, rules="acme/hmda@2024", stop=stop)

    assert report.partial
    assert 1_490 < report.records <= 1_500
    assert [each.record for each in report.findings] == list(range(1, report.records + 1))
    assert await kinds() == ["checked"]


async def test_a_file_that_changes_while_it_is_checked_is_refused_and_nothing_is_written(desk, file, filing, kinds):
    path = file(*[filing.row(f"u{number}", loan_amount="0") for number in range(3_000)])

    async with desk() as opened:
        with pytest.raises(CallerError, match="changed while it was checked"):
            async for _ in opened.checking(path, rules="acme/hmda@2024"):
                path.write_bytes(path.read_bytes() + b"\n")

    assert await kinds() == []


async def test_the_edition_is_the_one_named_else_the_files_own(check, file, filing):
    path = file(filing.row(), calendar_year="2022")

    named, own = await check(path), await check(path, rules="acme/hmda")

    assert told(named) == [(0, "s302")]
    assert named.findings[0].values == {"ts_calendar_year": "2022", "filing_year": "2024"}
    assert (own.rulesets, told(own)) == (("acme/hmda@2022",), [])


async def test_a_file_that_says_no_edition_is_checked_under_that_of_the_day_and_told_so(check, file, filing):
    path = file(filing.row(), calendar_year="20x4")

    report = await check(path, rules="acme/hmda", as_of=date(2023, 5, 1))

    assert (report.rulesets, told(report)) == (("acme/hmda@2022",), [(0, "s302")])


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (("acme/hmda",), "says that it is of '2023'"),
        (("acme/hmda@2022", "acme/hmda@2024"), "as @2022 and as @2024"),
        (("acme/hmda@2019",), "No rule set 'acme/hmda@2019'"),
        (("mortgage/hmd",), "did you mean"),
        ((), "No rules were named"),
    ],
)
async def test_editions_that_contradict_are_one_clear_error(check, file, filing, kinds, asked, words):
    with pytest.raises((CallerError, NotFound), match=words):
        await check(file(filing.row(), calendar_year="2023"), rules=asked)

    assert await kinds() == []


async def test_a_rule_is_read_at_the_day_that_its_record_says(check):
    rows = [{"weight": 11, "sent_on": "2023-12-31"}, {"weight": 11, "sent_on": "2024-01-01"}, {"weight": 11}]
    late = [(2, date(2024, 1, 1)), (3, date(2025, 6, 1))]

    for engine in ENGINES:
        report = await check(rows, rules="acme/parcels", as_of=date(2025, 6, 1), engine=engine)
        found = [(each.record, each.as_of) for each in report.findings if each.rule.endswith("late")]
        assert found == late


async def test_an_engine_that_nobody_brings_is_one_clear_error(check, file, filing):
    with pytest.raises(Exception, match="No engine answers to 'abacus'"):
        await check(file(filing.row()), engine="abacus")


def test_a_root_is_that_of_rfc_6962():
    def head(leaves):
        if not leaves:
            return hashlib.sha256().digest()
        if len(leaves) == 1:
            return hashlib.sha256(b"\0" + leaves[0]).digest()
        split = 1 << (len(leaves) - 1).bit_length() - 1
        return hashlib.sha256(b"\1" + head(leaves[:split]) + head(leaves[split:])).digest()

    tree, leaves = MerkleTree(), []
    for number in range(70):
        assert tree.root() == head(leaves).hex()
        leaves.append(str(number).encode())
        tree.add(leaves[-1])
    assert tree.size == 70
