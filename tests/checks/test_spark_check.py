"""Hold a register against the HMDA edits on Spark and on Polars: the same findings, byte for byte."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from benchmarks import lar_rows
from emma_core import Emma, canonical
from emma_core.cli import main


@pytest.fixture
def spark() -> Iterator[None]:
    from emma_core.backends.spark_session import session

    made = session()
    yield
    made.stop()


@pytest.mark.parametrize(
    ("rows", "wrong"), [(300, 0.5), pytest.param(10_000, 0.2, marks=pytest.mark.prove, id="10,000 rows")]
)
async def test_spark_and_polars_tell_the_same_of_a_register(
    rows: int, wrong: float, opened: Callable[..., AbstractAsyncContextManager[Emma]], spark: None, tmp_path: Path
) -> None:
    file = tmp_path / "lar.txt"
    lar_rows.write(file, rows, wrong=wrong)
    with file.open("a", encoding="utf-8") as end:
        end.write("2|too|few\n" + next(lar_rows.lines(1, wrong=0)) + "\n")
    async with opened() as emma:
        desk = emma.tenant("default")
        by_spark, by_polars = [
            await desk.check(file, rules="mortgage/hmda@2024", engine=engine) for engine in ("spark", "polars")
        ]
    one, other = ([canonical.text(found.plain()) for found in report.findings] for report in (by_spark, by_polars))
    assert len(one) > rows * wrong
    assert one == other
    assert by_spark.root == by_polars.root


@pytest.mark.prove
def test_every_example_of_every_edit_holds_on_every_engine(
    proof: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    took = []
    for engine in ("closures", "polars", "spark"):
        started = time.monotonic()
        code = main(["rules", "test", "mortgage/hmda@2024", "--engine", engine, "--format", "json"])
        took.append(f"{engine} {time.monotonic() - started:.0f} s")
        tried = json.loads(capsys.readouterr().out)
        assert code == 0, [each for each in tried if each["wrong"]]
        assert len(tried) == 317
    count = sum(each[kind] for each in tried for kind in ("passed", "failed", "undetermined"))
    proof(f"{count:,} examples of 317 rules of mortgage/hmda@2024 come out as they say: {', '.join(took)}")
