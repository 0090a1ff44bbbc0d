"""The steps of a check in order: source, rules, rows, the whole, the trail. Read this first.

1 the source, hashed   2 the rule sets and their editions   3 rows that fail, explained   4 the whole   5 checked
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from datetime import datetime
from typing import Any

from emma_core import audit, canonical
from emma_core.checks import benches, deciding, editions, explaining, lifting, sources
from emma_core.checks.benches import Bench
from emma_core.checks.editions import Order
from emma_core.checks.lifting import Lifting
from emma_core.checks.sources import Source
from emma_core.checks.tally import Tally
from emma_core.errors import Conflict
from emma_core.nouns import Caller, CheckEvent, Report, Sealed
from emma_core.nouns.table import RECORD
from emma_core.packs import Packs
from emma_core.ports import Engine, Stretch, TenantStore

__all__ = ["Order", "stream"]


async def stream(
    packs: Packs,
    store: TenantStore,
    caller: Caller,
    order: Order,
    *,
    clock: Callable[[], datetime],
    stop: Callable[[], bool],
) -> AsyncGenerator[CheckEvent, None]:
    """The check as it happens; its last event carries the report, which is on the trail by then.

    `stop`: asked again and again; once it says True the check ends, and its report says that it is partial. Raises
    `CallerError`, `NotFound`, `PackError` or `OperatorError` where the file or the rules cannot be read; then nothing
    was written.
    """
    engine: Engine = packs.backend("engine", order.engine)
    source = await asyncio.to_thread(sources.open_source, order.source)  # 1: there, readable, hashed
    chosen = await asyncio.to_thread(editions.choose, packs, source, order)  # 2: which rules, of which edition
    sets = {f"{one.ruleset.ruleset}@{one.ruleset.edition}": one for each in chosen for one in each.sets}
    acts = await lifting.decided(store, sets, clock())  # what people decided, in one pass
    with closing(Lifting(acts, packs.template, file_hash=source.hash)) as lifts:
        tally = Tally((rule for one in sets.values() for rule in one.rules), limit=order.limit, lifting=lifts)
        work = _work([bench for each in chosen for bench in benches.lay_out(each)], engine, tally, stop)
        async with aclosing(_in_thread(work)) as events:  # 3 and 4
            async for event in events:
                yield event
        await asyncio.to_thread(source.check_unchanged)
        stamps = tuple(packs.need(name).stamp for name in sorted({each.partition("/")[0] for each in sets}))
        made = {"rulesets": tuple(sets), "packs": stamps, "engine": engine.name, "checked_at": clock()}
        report = _report(caller, order, source, tally, made)
        hashes = {name: canonical.sha256([rule.hash for rule in one.rules]) for name, one in sets.items()}
        sealed = await _tried_before(store, order, report)
        sealed = sealed or await _record(store, report, lifts, hashes, clock)  # 5: on paper
    yield CheckEvent(records=tally.records, of=tally.of, report=report.model_copy(update={"trail": sealed}))


async def _tried_before(store: TenantStore, order: Order, report: Report) -> Sealed | None:
    """The line that an earlier try of this check left. Raises `Conflict` where it found something else."""
    lines = await store.lines(conversation=order.id) if order.id else []
    for line in (each for each in lines if each.kind == "checked"):
        outcome = json.loads(line.line)["outcome"]
        if (outcome["file_hash"], outcome["root"]) != (report.file_hash, report.root):
            raise Conflict(f"Check {order.id!r} is on the trail as line {line.seq}, of another file; check it anew")
        return Sealed(seq=line.seq, kind=line.kind, at=line.at, hash=line.hash)
    return None


async def _record(
    store: TenantStore, report: Report, lifts: Lifting, hashes: Mapping[str, str], clock: Callable[[], datetime]
) -> Sealed:
    """The check is on the trail, after the documents that say what it suggests to lift."""
    for document in lifts.dockets.documents(report.checked_at):
        await store.put(document)
    puts = [deciding.document(report)] if report.overrides else []
    return await audit.record_check(store, report, puts, hashes=hashes, clock=clock)


async def _in_thread(work: Generator[CheckEvent, None, None]) -> AsyncGenerator[CheckEvent, None]:
    """The events, worked out beside the loop; whoever leaves early waits until the work is put down."""
    try:
        while True:
            step = asyncio.ensure_future(asyncio.to_thread(next, work, None))
            try:
                event = await asyncio.shield(step)
            except asyncio.CancelledError:
                await asyncio.wait([step])
                raise
            if event is None:
                return
            yield event
    finally:
        await asyncio.shield(asyncio.to_thread(work.close))


def _work(
    laid_out: Sequence[Bench], engine: Engine, tally: Tally, stop: Callable[[], bool]
) -> Generator[CheckEvent, None, None]:
    """All that is found: by bench what heads the file, its rows in their order, then what holds for the whole."""
    tally.of = max((bench.table.records or 0 for bench in laid_out), default=0)
    for bench in laid_out:
        tally.records = 0
        yield from _rows(bench, engine, tally, stop)
        if tally.partial:
            return
        for finding, title in explaining.whole(bench, engine, tally.lifting):
            tally.add(finding, title)
            if tally.waits:
                yield tally.event()
        yield tally.event()


def _rows(bench: Bench, engine: Engine, tally: Tally, stop: Callable[[], bool]) -> Iterator[CheckEvent]:
    """What the head and the rows fail, and between them the rows that could not be read."""
    troubles = explaining.Troubles(bench)
    troubles.tell(0, tally)
    for finding in explaining.head(bench, tally.lifting):
        tally.add(finding)
    with closing(engine.standing(bench.table, bench.rows, bench.shared)) as stretches:
        yield from _stretches(bench, stretches, troubles, tally, stop)


def _stretches(
    bench: Bench,
    stretches: Iterator[Stretch],
    troubles: explaining.Troubles,
    tally: Tally,
    stop: Callable[[], bool],
) -> Iterator[CheckEvent]:
    seen = 0
    for stretch in stretches:
        for facts, numbers in stretch.standing:
            if stop():
                tally.partial, tally.records = True, facts[RECORD] - 1
                yield tally.event()
                return
            troubles.tell(facts[RECORD], tally)
            for number in numbers:
                explaining.weigh(bench.rows[number], facts, bench, tally)
            if tally.waits:
                tally.records = facts[RECORD]
                yield tally.event()
        seen += stretch.records
        tally.records = seen
        troubles.tell(seen, tally)
        yield tally.event()
        if stop() and seen < (bench.table.records or seen + 1):
            tally.partial = True
            return


def _report(caller: Caller, order: Order, source: Source, tally: Tally, made: Mapping[str, Any]) -> Report:
    report = Report(
        id=order.id or f"k-{secrets.token_hex(12)}",
        tenant=caller.tenant,
        caller=caller.user,
        file=source.name,
        file_hash=source.hash,
        records=tally.records,
        as_of=order.as_of,
        findings=(),
        found=tally.found,
        counts=tally.counts(),
        root=tally.tree.root(),
        verdict=tally.verdict(),
        partial=tally.partial,
        **made,
    )
    return report.model_copy(update={"overrides": tally.lifting.dockets.of(report)})
