"""The real binary as the tests of this folder start it. Its path is the first argument of each of them."""

import os
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import httpx
from authlib.integrations.httpx_client import OAuth2Client

BINARY = Path(sys.argv.pop(1)).resolve()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """`agent-server dev` in a folder of its own, with settings of its own."""

    def __init__(self, log: Path | None = None, **settings: str) -> None:
        self.settings = settings
        self.log = log

    def __enter__(self) -> "Server":
        self.folder = tempfile.TemporaryDirectory()
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.start()
        lines = (Path(self.folder.name) / "data" / "dev.env").read_text().splitlines()
        pairs = [line.partition("=") for line in lines if "=" in line and not line.startswith("#")]
        self.env = {name: value.strip("'\"") for name, _, value in pairs}
        self.client_id = self.env["MANAGEMENT_CLIENT_ID"]
        self.client_secret = self.env["MANAGEMENT_CLIENT_SECRET"]
        return self

    def start(self) -> None:
        output, error = subprocess.DEVNULL, None
        if self.log:
            output, error = self.log.open("ab"), subprocess.STDOUT
        self.process = subprocess.Popen(
            [BINARY, "dev"], cwd=self.folder.name, env={**os.environ, "PORT": str(self.port), **self.settings},
            stdin=subprocess.DEVNULL, stdout=output, stderr=error,
        )
        end = time.monotonic() + 30
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("the server did not start")
            time.sleep(0.05)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()

    def __exit__(self, *_) -> None:
        self.stop()
        self.folder.cleanup()

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/ready").status_code == 200
        except httpx.TransportError:
            return False


def session(test: unittest.TestCase, server: Server, method: str = "client_secret_basic") -> OAuth2Client:
    """A client of Authlib that has a token."""
    session = OAuth2Client(
        server.client_id, server.client_secret, token_endpoint_auth_method=method, base_url=server.url, timeout=60,
    )
    test.addCleanup(session.close)
    session.fetch_token(f"{server.url}/oauth/token", grant_type="client_credentials")
    return session
