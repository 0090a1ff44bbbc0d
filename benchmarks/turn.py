"""Times an offline turn by its parts, beside a LangChain agent with an instant model: `python -m benchmarks.turn`.

Both sides take turns in one process, so that a stall of the machine hits both. LangChain's agent keeps no trail, holds
no rule and reads no fact: its figure is what a bare agent costs before any of that.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from emma_core import Ask, Emma, Settings, audit, overrides, runtime

QUESTION = "Can we approve this at 47% debt-to-income on a conventional loan?"
PARTS = ("facts", "retrieval", "rules", "overrides", "audit", "responder")


class Clock:
    """Collects seconds by part."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}

    @contextmanager
    def part(self, name: str) -> Any:
        """What happens inside counts for the part."""
        start = time.perf_counter()
        yield
        self.seconds.setdefault(name, []).append(time.perf_counter() - start)


async def emma_turn(emma: Emma, clock: Clock, conversation: str) -> None:
    """One turn, its steps called one by one as `runtime.stream` calls them."""
    desk = emma.tenant("default")
    house, caller = desk._house, desk.caller
    ask: Ask = await desk._admit("loan_officer", QUESTION, {}, conversation, None, None)
    store = house.store.for_tenant(caller.tenant)
    with clock.part("facts"):
        trip = await runtime._set_out(house, caller, ask, {}, store)
    with clock.part("retrieval"):
        found = await runtime._retrieve(trip)
    with clock.part("rules"):
        findings = runtime._judge(trip, found.rules, {"text": ask.words})
    with clock.part("overrides"):
        marked, standing, new = await runtime._overrides(trip, store, findings)
    turn, record = runtime._judged(trip, found, marked, standing), runtime._record(trip)
    with clock.part("audit"):
        puts = [overrides.document(override) for override in new]
        sealed = await record.judge(turn, puts, model=trip.model.name, seconds=60)
    turn = turn.model_copy(update={"trail": (sealed,)})
    with clock.part("responder"):
        spoken = await runtime._speak(trip, turn)
    with clock.part("audit"):
        await runtime._end(record, turn, spoken)


def langchain_agent() -> Callable[[], Awaitable[Any]]:
    """A LangChain agent whose model answers at once."""
    from langchain.agents import create_agent
    from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage

    model = GenericFakeChatModel(messages=itertools.repeat(AIMessage("No: 47% is above the lender's 45%.")))
    agent = create_agent(model, [], system_prompt="You help loan officers.")
    return lambda: agent.ainvoke({"messages": [("user", QUESTION)]})


async def measure(turns: int) -> tuple[Clock, Clock]:
    """Seconds by part of Emma's turns, and of LangChain's, after ten of each that do not count."""
    ours, theirs = Clock(), Clock()
    agent = langchain_agent()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(store=f"sqlite:///{folder}/emma.db", model="offline:")
        async with Emma.open(settings) as emma:
            for turn in range(10):
                await emma_turn(emma, Clock(), f"warm-{turn}")
                await agent()
            for turn in track(range(turns), "Taking turns"):
                with ours.part("the whole turn"):
                    await emma_turn(emma, ours, f"c-{turn}")
                with theirs.part("create_agent"):
                    await agent()
            trail = await emma.tenant("default").trail()
            verified = await audit.verify_trail(trail)
            assert verified.ok, verified.reason
    return ours, theirs


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=300)
    turns = parser.parse_args().turns
    ours, theirs = asyncio.run(measure(turns))
    base = statistics.median(theirs.seconds["create_agent"])
    table = Table(title=f"{turns} turns each, interleaved in one process (median, ms)")
    for column in ("part", "median", "p95", "of create_agent"):
        table.add_column(column, justify="left" if column == "part" else "right")
    per_turn = {**{name: _per_turn(ours.seconds[name], turns) for name in PARTS}, **_whole(ours), **theirs.seconds}
    for name, seconds in per_turn.items():
        median, p95 = statistics.median(seconds), statistics.quantiles(seconds, n=20)[-1]
        table.add_row(name, f"{median * 1e3:.3f}", f"{p95 * 1e3:.3f}", f"{median / base:.2f}")
    Console().print(table)


def _per_turn(seconds: list[float], turns: int) -> list[float]:
    """A part that a turn visits twice (audit) counts once a turn."""
    each = len(seconds) // turns
    return [sum(seconds[n * each : (n + 1) * each]) for n in range(turns)]


def _whole(ours: Clock) -> dict[str, list[float]]:
    return {"the whole turn": ours.seconds["the whole turn"]}


if __name__ == "__main__":
    main()
