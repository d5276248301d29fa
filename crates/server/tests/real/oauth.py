"""Every check of `oauth_checks.py` against the real binary: keys are rotated and the server is started anew under it, and afterwards
its log and its database are searched for each secret that was seen."""

import http.server
import json
import os
import shlex
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

from harness import BINARY
from harness import Server

CHECKS = Path(__file__).with_name("oauth_checks.py")


class Restarts(http.server.BaseHTTPRequestHandler):
    """Starts the server anew whenever it is asked."""

    agent_server: Server

    def do_GET(self) -> None:
        self.agent_server.stop()
        self.agent_server.start()
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class Checks(unittest.TestCase):
    def test_nothing_fails_that_the_metadata_announces(self) -> None:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        log = folder / "log"
        server = self.enterContext(Server(log=log, CLIENT_ID_DOCUMENTS="*"))
        handler = type("Handler", (Restarts,), {"agent_server": server})
        control = http.server.HTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=control.serve_forever, daemon=True).start()
        self.addCleanup(control.shutdown)
        key, results = folder / "key.json", folder / "results.json"
        key.write_text(server.env["TOKEN_SERVICE_PRIVATE_KEY"])
        restart = f"import urllib.request as u; u.urlopen('http://127.0.0.1:{control.server_port}').read()"
        database = Path(server.folder.name) / "data" / "agent-server.db"

        subprocess.run(
            [
                sys.executable, CHECKS, server.url, server.client_id, server.client_secret,
                "--password", server.client_secret, "--signing-jwk", key, "--rate-limit", "--json", results,
                "--rotate-cmd", shlex.join([str(BINARY), "keys", "rotate", "--now"]),
                "--restart-cmd", shlex.join([sys.executable, "-c", restart]),
                "--scan", log, database, f"{database}-wal",
            ],
            env={**os.environ, **server.env, "DATABASE_URL": f"sqlite://{database}"}, check=False,
        )

        found = json.loads(results.read_text())
        failed = [result for result in found if result["status"] == "FAIL"]
        self.assertEqual(failed, [])
        skipped = [result for result in found if result["status"] == "SKIP"]
        self.assertEqual([it for it in skipped if "not announced" not in it["note"]], [])
        self.assertGreater(sum(result["status"] == "PASS" for result in found), 100)


if __name__ == "__main__":
    unittest.main()
