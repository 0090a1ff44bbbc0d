"""A wire between a client and a server that can be cut at the worst moment; bytes pass unread but for that."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Literal

Cut = Literal["before", "after"]
"""Before what the client sent reaches the server, or after the server has done it and before its answer comes back."""


class Wire:
    """Listens on a loopback port of its own and passes on; `decide` is asked of each thing that the client sends."""

    def __init__(self, port: int) -> None:
        self._to = port
        self.decide: Callable[[bytes], Cut | None] = lambda sent: None
        self.cuts = 0
        self.port = 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Wire:
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._open:
            writer.close()
        await self._server.wait_closed()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._to)
        self._open |= {writer, to_writer}
        answers = asyncio.create_task(_copy(to_reader, writer))
        with contextlib.suppress(OSError):
            while sent := await reader.read(2**20):
                cut = self.decide(sent)
                if cut is not None:
                    self.cuts += 1
                    answers.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await answers
                if cut != "before":
                    to_writer.write(sent)
                    await to_writer.drain()
                if cut == "after":
                    await _until_answered(reader, to_reader, to_writer)
                if cut is not None:
                    break
        for each in (writer, to_writer):
            each.close()
            self._open.discard(each)
        await asyncio.gather(answers, return_exceptions=True)


async def _until_answered(
    reader: asyncio.StreamReader, to_reader: asyncio.StreamReader, to_writer: asyncio.StreamWriter
) -> None:
    """The server has said something, after whatever else of the same question the client had to send."""
    answer = asyncio.ensure_future(to_reader.read(2**20))
    while not answer.done():
        more = asyncio.ensure_future(reader.read(2**20))
        await asyncio.wait([answer, more], return_when=asyncio.FIRST_COMPLETED)
        if not more.done():
            more.cancel()
        elif not more.result():
            break
        else:
            to_writer.write(more.result())
    answer.cancel()
    await asyncio.gather(answer, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while received := await reader.read(2**20):
            writer.write(received)
            await writer.drain()
    writer.close()
