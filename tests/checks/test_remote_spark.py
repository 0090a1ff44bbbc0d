"""Hold a register against the HMDA edits in a remote Spark session, `--engine spark` with SPARK_REMOTE."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from services.processes import Process, free_port

from benchmarks import lar_rows

_SERVER = "org.apache.spark.sql.connect.service.SparkConnectServer"


@pytest.fixture
def server() -> Iterator[str]:
    """The address of a Spark Connect server in a process of its own, on loopback."""
    import pyspark

    from emma_core.backends.spark_session import java_home

    port, process = free_port(), Process("spark-connect")
    settings = {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(port),
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2",
        "spark.ui.enabled": "false",
    }
    home = Path(pyspark.__file__).parent
    variables = {"JAVA_HOME": str(java_home(process.folder)), "PYSPARK_PYTHON": sys.executable, "SPARK_HOME": str(home)}
    command = [
        "env",
        *(f"{name}={value}" for name, value in variables.items()),
        *(str(home / "bin" / "spark-submit"), "--master", "local[2]", "--class", _SERVER),
        *(part for name, value in settings.items() for part in ("--conf", f"{name}={value}")),
        "spark-internal",
    ]
    try:
        process.start(command, ready=lambda: _listens(port), seconds=240)
        yield f"sc://127.0.0.1:{port}"
    finally:
        process.stop(signal.SIGTERM)
        process.forget()


@pytest.mark.prove
def test_a_remote_session_finds_what_polars_finds(server: str, tmp_path: Path, proof: Callable[[str], None]) -> None:
    file = tmp_path / "lar.txt"
    lar_rows.write(file, 100, wrong=0.5)

    started = time.monotonic()
    remote = _check(file, "spark", tmp_path, SPARK_REMOTE=server)
    took = time.monotonic() - started
    local = _check(file, "polars", tmp_path)

    assert remote.stdout == local.stdout, remote.stderr[-2000:]
    assert remote.returncode == local.returncode == 1
    count = len(local.stdout.splitlines())
    assert count > 50
    found = f"{count} findings, byte for byte those of Polars, {took:.0f} s"
    proof(f"100 rows under mortgage/hmda@2024 over Spark Connect: {found}")


def test_an_address_that_no_server_answers_is_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "lar.txt"
    lar_rows.write(file, 2, wrong=1)
    address = f"sc://127.0.0.1:{free_port()}"

    said = _check(file, "spark", tmp_path, SPARK_REMOTE=address)

    assert said.returncode == 2
    assert f"SPARK_REMOTE: no Spark Connect server answers at '{address}'" in " ".join(said.stderr.split())


def _check(file: Path, engine: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    say = "import sys; from emma_core.cli import main; sys.exit(main())"
    options = ("--rules", "mortgage/hmda@2024", "--engine", engine, "--format", "jsonl")
    store = {"EMMA_STORE": f"sqlite:///{folder}/emma.db", "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-c", say, "check", str(file), *options],
        env=os.environ | store | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def _listens(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0
