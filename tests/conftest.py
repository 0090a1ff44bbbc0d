"""Holds the suite to its own promises: no setting of this machine reaches a test, and CI passes over no skip."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings

from emma_core import Emma, Settings
from emma_core.testing import ScriptedModel, ScriptedPack

_Report = TypeVar("_Report", pytest.TestReport, pytest.CollectReport)


def pytest_configure(config: pytest.Config) -> None:
    """Settings of the developer's shell are gone, and the wall against silent skips stands where CI runs."""
    for name in [name for name in os.environ if name.startswith("EMMA_") and not name.startswith("EMMA_TEST_")]:
        del os.environ[name]
    # A shared machine stalls now and then; a stall is no counterexample.
    settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("house")
    if os.environ.get("CI") == "true":
        # Registered by itself: hooks of a conftest see the tests of their own folder only, and packs have theirs.
        config.pluginmanager.register(SkipsAreExpected(), "skips_are_expected")


class SkipsAreExpected:
    """A skip whose reason does not start with `expected:` is a failure."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """The report of a test that was skipped unexpectedly says failed."""
        return _unless_expected((yield))

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """The report of a module that was skipped unexpectedly says failed."""
        return _unless_expected((yield))


def _unless_expected(report: _Report) -> _Report:
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reason = reason.removeprefix("Skipped: ")
        if not reason.startswith("expected:"):
            report.outcome = "failed"
            report.longrepr = f"{report.nodeid} was skipped, and CI did not expect it: {reason}"
    return report


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[Emma]]:
    """Opens the house over one store of the test's own, with a scripted model where one is given."""

    @asynccontextmanager
    async def open_(
        model: ScriptedModel | None = None, *, blueprints: Path | None = None, **more: Any
    ) -> AsyncIterator[Emma]:
        address = f"sqlite:///{tmp_path}/emma.db"
        chosen = Settings(store=address, model="scripted:" if model else "offline:", blueprints=blueprints)
        plugins = {"scripted": ScriptedPack(model)} if model else None
        async with Emma.open(chosen, plugins=plugins, **more) as emma:
            yield emma

    return open_


@pytest.fixture
def proof(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Prints what a long proof came to, and keeps it in `docs/proof/` under the proof's name."""

    def came_to(figures: str, of: str = "") -> None:
        name = "_on_".join(filter(None, (request.function.__name__, of)))
        kept = Path(__file__).resolve().parents[1] / "docs" / "proof" / f"{name}.txt"
        kept.write_text(f"{figures}\n")
        print(f"\n{figures}")

    return came_to
