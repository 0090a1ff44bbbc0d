"""Shows on stderr how far a long work has come, where somebody is watching."""

from __future__ import annotations

from types import TracebackType

from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from emma_core.cli.show import screen
from emma_core.nouns import CheckEvent


class Progress:
    """A bar, which is gone once the work is over."""

    def __init__(self, title: str = "Checking") -> None:
        """`title`: what is done, in a word."""
        console = screen(stderr=True)
        columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Bar(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task: TaskID | None = None

    def __enter__(self) -> Progress:
        self._bar.start()
        self._task = self._bar.add_task("", total=None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def show(self, event: CheckEvent) -> None:
        """The bar stands where the event is."""
        if self._task is not None:
            self._bar.update(self._task, completed=event.records, total=event.of)

    def begin(self, total: int) -> None:
        """So many steps are to come."""
        if self._task is not None:
            self._bar.update(self._task, total=total)

    def step(self) -> None:
        """One of them is done."""
        if self._task is not None:
            self._bar.advance(self._task)


class Steps:
    """A bar for each thing that is done in turn, gone once all of it is over."""

    def __init__(self) -> None:
        console = screen(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        self._bar = Bar(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Steps:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def show(self, what: str, done: int, of: int | None) -> None:
        """The bar of that thing stands there."""
        if what not in self._tasks:
            self._tasks[what] = self._bar.add_task(what, total=of)
        self._bar.update(self._tasks[what], completed=done, total=of)
