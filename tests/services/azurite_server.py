"""An Azurite of the tests' own, which speaks Azure Blob Storage."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import signal
from pathlib import Path

from services.processes import Process, free_port

INSTALLED = Path(__file__).with_name("azurite") / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
# The one account that every Azurite knows, and its published key.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def missing() -> str:
    """What keeps Azurite from running here and what to do; nothing where it can."""
    if shutil.which("node") is None:
        return "Azurite needs Node.js 20 or newer, and there is no `node`; install it, then run: make test"
    if not INSTALLED.is_file():
        return "Azurite is not installed; run: npm ci --prefix tests/services/azurite"
    return ""


class AzuriteServer:
    """A blob service on a free loopback port, over files of its own."""

    def __init__(self) -> None:
        self.port = free_port()
        self.account, self.key = ACCOUNT, KEY
        self.address = f"http://127.0.0.1:{self.port}/{ACCOUNT}"
        self._process = Process("azurite")
        self.start()

    @property
    def connection_string(self) -> str:
        """As Azure's own clients read it."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={self.account};AccountKey={self.key};"
            f"BlobEndpoint={self.address};"
        )

    def start(self) -> None:
        """It answers, after a stop or a kill too."""
        command = [shutil.which("node") or "node", str(INSTALLED), "--blobHost", "127.0.0.1"]
        command += ["--blobPort", str(self.port), "--location", str(self._process.folder)]
        command += ["--skipApiVersionCheck", "--silent", "--disableTelemetry"]
        self._process.start(command, ready=self._answers, seconds=60)

    def stop(self) -> None:
        """It has ended in order, its connections cut."""
        self._process.stop(signal.SIGTERM)

    def kill9(self) -> None:
        """It is gone as by `kill -9`."""
        self._process.kill9()

    def forget(self) -> None:
        """It is gone, with its files."""
        self._process.forget()

    def _answers(self) -> bool:
        asked = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with contextlib.closing(asked), contextlib.suppress(OSError, http.client.HTTPException):
            asked.request("GET", f"/{ACCOUNT}?comp=list")
            return asked.getresponse().status > 0
        return False
