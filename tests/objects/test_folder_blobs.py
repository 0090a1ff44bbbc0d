"""Holds blobs in a folder to the contract of all blobs, to being durable, and to saying what the disk refuses."""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from emma_core import OperatorError, StoreError
from emma_core.backends import blob_policy, folder_blobs
from emma_core.backends.folder_blobs import FolderBlobs, FolderTenantBlobs, open_blobs
from emma_core.ports import Blobs
from emma_core.testing import blobs_contract
from emma_core.testing.blobs_contract import *  # noqa: F403


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "blobs"


@pytest.fixture
def clock() -> list[datetime]:
    return [datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)]


@pytest.fixture
def new_blobs(root: Path, clock: list[datetime]):
    return lambda: FolderBlobs(root, clock=lambda: clock[0])


@pytest.fixture
def flip(root: Path):
    async def flipped(tenant: str, kind: str, sha256: str) -> None:
        path = root / tenant / kind / sha256[:2] / sha256
        data = bytearray(path.read_bytes())
        data[7] ^= 1
        path.write_bytes(data)

    return flipped


def everywhere(method: str) -> Callable[..., Awaitable[Any]]:
    """The method, over the shortest of the tenants whose names begin alike."""

    async def mixed(self: Any, *given: Any, **more: Any) -> Any:
        return await getattr(FolderTenantBlobs, method)(FolderTenantBlobs(self._blobs, "a"), *given, **more)

    return mixed


async def unchecked(self: Any, kind: Any, sha256: str) -> bytes | None:
    path = self._path(kind, sha256)
    return path.read_bytes() if path.exists() else None


async def unheld(self: Any, kind: Any, sha256: str) -> bool:
    path = self._path(kind, sha256)
    there = path.exists()
    path.unlink(missing_ok=True)
    return bool(there)


MUTATIONS: dict[str, dict[str, Any]] = {
    **{f"tenants mixed in {verb}": {verb: everywhere(verb)} for verb in ("put", "get", "list", "delete", "purge")},
    "no hash checked on reading": {"get": unchecked},
    "nothing held to its time": {"delete": unheld},
    "no path checked": {"_path": lambda self, kind, sha256: self._root / kind / sha256[:2] / sha256},
}


@pytest.mark.parametrize("mutation", MUTATIONS)
async def test_the_contract_finds_blobs_that_are_broken(
    tmp_path: Path, clock: list[datetime], faults: Any, mutation: str
) -> None:
    broken = type("Broken", (FolderTenantBlobs,), MUTATIONS[mutation])
    made: list[Path] = []

    class Mutated(FolderBlobs):
        def for_tenant(self, tenant: str) -> FolderTenantBlobs:
            super().for_tenant(tenant)
            return broken(self, tenant)

    def make() -> Blobs:
        made.append(tmp_path / str(len(made)))
        return Mutated(made[-1], clock=lambda: clock[0])

    async def flip(tenant: str, kind: str, sha256: str) -> None:
        path = made[-1] / tenant / kind / sha256[:2] / sha256
        path.write_bytes(b"x" + path.read_bytes()[1:])

    assert await faults(blobs_contract, "blobs", make, clock=clock, flip=flip)


async def test_nothing_is_made_before_the_first_is_put_and_all_is_for_the_owner_alone(root: Path) -> None:
    blobs = open_blobs(f"file:{root}")
    await blobs.open()
    assert await blobs.for_tenant("a").get("export", "0" * 64) is None
    assert not root.parent.exists()

    await blobs.for_tenant("a").put(b"words", kind="export", name="n")

    modes = {path.stat().st_mode & 0o777 for path in root.rglob("*") if path.is_file()}
    folders = {path.stat().st_mode & 0o777 for path in [root, *root.rglob("*")] if path.is_dir()}
    assert (modes, folders) == ({0o600}, {0o700})


async def test_a_put_that_is_killed_leaves_a_whole_piece_or_none(root: Path) -> None:
    script = (
        "import asyncio, sys\n"
        "from emma_core.backends.folder_blobs import open_blobs\n"
        "async def main():\n"
        "    handle = open_blobs('file:' + sys.argv[1]).for_tenant('a')\n"
        "    for n in range(100_000):\n"
        "        print((await handle.put(b'%d ' % n * 20_000, kind='export', days=9)).sha256, flush=True)\n"
        "asyncio.run(main())\n"
    )
    acknowledged: list[str] = []
    for after in (1, 4, 9):
        process = subprocess.Popen([sys.executable, "-c", script, str(root)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        acknowledged += [process.stdout.readline().strip() for _ in range(after)]
        process.send_signal(signal.SIGKILL)
        process.communicate()

    handle = open_blobs(f"file:{root}").for_tenant("a")
    held = await handle.list("export")

    assert set(acknowledged) <= {each.sha256 for each in held}
    for each in held:
        assert each.keep_until is not None
        assert await handle.get("export", each.sha256) is not None


async def test_processes_that_put_and_delete_the_same_piece_never_lose_what_was_promised(root: Path) -> None:
    script = (
        "import asyncio, sys\n"
        "from emma_core import Conflict\n"
        "from emma_core.backends.folder_blobs import open_blobs\n"
        "async def main():\n"
        "    handle = open_blobs('file:' + sys.argv[1]).for_tenant('a')\n"
        "    for n in range(60):\n"
        "        put = await handle.put(b'%d' % n, kind='export', days=int(sys.argv[2]))\n"
        "        try:\n"
        "            await handle.delete('export', put.sha256)\n"
        "        except Conflict:\n"
        "            pass\n"
        "asyncio.run(main())\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", script, str(root), days]) for days in ("0", "5", "0")]

    assert [process.wait() for process in processes] == [0, 0, 0]
    held = await open_blobs(f"file:{root}").for_tenant("a").list("export")
    assert len(held) == 60
    assert all(each.keep_until for each in held)


async def test_a_full_disk_is_one_error_and_leaves_nothing(root: Path) -> None:
    blobs = open_blobs(f"file:{root}")
    kept = await blobs.for_tenant("a").put(b"before", kind="export")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))  # as far as a file can tell, a disk that is full
    try:
        with pytest.raises(StoreError, match=r"Blobs: .* too large; make room"):
            await blobs.for_tenant("a").put(b"x" * 2_000_000, kind="export")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)

    assert await blobs.for_tenant("a").list("export") == [kept]
    assert [path.name for path in root.rglob(".*") if path.is_file()] == [".lock"]


@pytest.mark.skipif(
    not Path("/sys/kernel").is_dir(), reason="expected: this system has no folder that nobody may write"
)
async def test_a_folder_that_cannot_be_written_is_one_error() -> None:
    blobs = open_blobs("file:/sys/kernel")
    await blobs.open()

    with pytest.raises(StoreError, match=r"Blobs: '/sys/kernel.*make it readable and writable"):
        await blobs.for_tenant("a").put(b"words", kind="export")
    with pytest.raises(StoreError, match="make it readable and writable"):
        await blobs.state()


async def test_a_file_where_the_folder_should_be_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")

    with pytest.raises(StoreError, match="is no folder; name one in EMMA_BLOBS"):
        await open_blobs(f"file:{tmp_path}/file").open()
    with pytest.raises(StoreError, match="File exists; make it"):
        await open_blobs(f"file:{tmp_path}/file/below").for_tenant("a").put(b"words", kind="export")


async def test_what_lies_beside_a_piece_and_is_damaged_is_one_error(root: Path) -> None:
    blobs = open_blobs(f"file:{root}")
    put = await blobs.for_tenant("a").put(b"words", kind="export", days=3)
    beside = next(root.rglob("*.json"))
    assert set(json.loads(beside.read_text())) == {"name", "keep_until"}

    for said in ("{", "[]", '{"keep_until": "soon"}', '{"keep_until": 7}'):
        beside.write_text(said)
        with pytest.raises(StoreError, match="is damaged; restore it from a backup"):
            await blobs.for_tenant("a").delete("export", put.sha256)
    assert await blobs.for_tenant("a").get("export", put.sha256) == b"words"


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("file:", "names no folder"),
        ("file:x?keep_checkpoint=-1", "days from 0 to"),
        ("file:x?keep_checkpoint=1e3", "days from 0 to"),
        ("file:x?tier_export=archive", "one of hot, cool, cold"),
        ("file:x?keep_log=3", "names no kind"),
    ],
)
def test_an_address_that_does_not_fit_is_refused(address: str, words: str) -> None:
    with pytest.raises(OperatorError, match="EMMA_BLOBS") as raised:
        open_blobs(address)

    assert words in str(raised.value)


async def test_an_address_says_how_long_a_kind_is_kept(root: Path) -> None:
    handle = open_blobs(f"file:{root}?keep_export=2555&keep_checkpoint=0").for_tenant("a")

    put = await handle.put(b"words", kind="export")

    assert put.keep_until is not None and (put.keep_until - datetime.now(UTC)).days == 2555
    assert (await handle.put(b"words", kind="checkpoint")).keep_until is None


def test_the_policies_are_those_that_the_documents_show() -> None:
    page = (Path(__file__).parents[2] / "docs" / "addresses.md").read_text()
    rows = [line.split("|")[1:4] for line in page.splitlines() if line.startswith("| `")]
    shown = {kind.strip(" `"): (keep.strip(), tier.strip()) for kind, keep, tier in rows}

    for kind, policy in blob_policy.POLICIES.items():
        assert shown[kind] == (f"{policy.keep} days" if policy.keep else "–", policy.tier)


async def test_a_folder_is_worked_on_beside_the_event_loop(root: Path) -> None:
    handle = open_blobs(f"file:{root}").for_tenant("a")
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    await handle.put(b"x" * 4_000_000, kind="export")
    ticking.cancel()

    assert ticks > 10
    assert folder_blobs.__doc__
