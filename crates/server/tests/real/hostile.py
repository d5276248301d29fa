"""Drives the real binary against an HTTPS server that means it ill: hostile.py AGENT_SERVER

The rules are tested where they are; this is for what only a real handshake and real memory show.
"""

import gzip
import json
import ssl
import tempfile
import threading
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from harness import Server, session
from tls import certificate

SECRET = "a-token-that-stays-on-https"


class FarSide(HTTPServer):
    """Answers `/moved?to=…` with a redirect there, some paths with what is no good, all else with what it was sent."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.server.requests.append((self.path, dict(self.headers)))
            _, is_moved, target = self.path.partition("/moved?to=")
            body = json.dumps(dict(self.headers)).encode()
            if self.path == "/large":
                body = b'"' + b"0" * (200 << 20) + b'"'
            if self.path == "/nan":
                body = b'{"a": NaN, "b": -Infinity, "c": 1e999, "d": 12345678901234567890123}'
            self.send_response(302 if is_moved else 200)
            if is_moved:
                self.send_header("location", target)
            if self.path in ("/large", "/zipped"):
                body = gzip.compress(body)
                self.send_header("content-encoding", "gzip")
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_) -> None:
            pass

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.requests = []
        scheme = "http"
        if tls:
            scheme, self.socket = "https", tls.wrap_socket(self.socket, server_side=True)
        self.url = f"{scheme}://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def server_close(self) -> None:
        self.shutdown()
        super().server_close()


class Hostile(unittest.TestCase):
    def setUp(self) -> None:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        file = certificate(folder)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(file)
        self.far = self.enterContext(FarSide(tls))
        self.inside, self.permitted = self.enterContext(FarSide()), self.enterContext(FarSide())
        self.server = self.enterContext(Server(
            AGENT_SERVER_EGRESS_ALLOW=f"{self.far.url},{self.permitted.url}", SSL_CERT_FILE=str(file),
        ))
        self.session = session(self, self.server)
        secret = {"name": "key", "value": SECRET, "hosts": ["127.0.0.1"]}
        self.session.post("/secrets", json=secret).raise_for_status()

    def call(self, name: str, target: str) -> dict:
        tool = {
            "name": name, "description": "Asks.", "kind": "http", "input_schema": {"type": "object"},
            "config": {"url": self.far.url + target, "auth": {"type": "bearer", "secret": "key"}},
        }
        self.session.post("/tools/definitions", json=tool).raise_for_status()
        return self.session.post(f"/tools/{name}/execute", json={"input": {}}).json()

    def test_a_redirect_from_https_to_http_reaches_nobody_inside(self) -> None:
        answered = self.call("here", "/x")
        self.assertEqual(answered["status"], "succeeded", answered)
        self.assertEqual(self.far.requests[0][1]["authorization"], f"Bearer {SECRET}")

        refused = self.call("inside", f"/moved?to={self.inside.url}/x")
        message = refused["run"]["error"]["message"]
        self.assertIn("a redirect was refused: it must begin with `https://`", message)
        self.assertEqual(self.inside.requests, [])

    def test_a_secret_is_not_sent_on_where_anybody_can_read_it(self) -> None:
        answered = self.call("downgraded", f"/moved?to={self.permitted.url}/x")

        self.assertEqual(answered["status"], "succeeded", answered)
        [(path, headers)] = self.permitted.requests
        self.assertEqual(path, "/x")
        self.assertNotIn(SECRET, json.dumps(headers))

    def test_what_is_packed_is_looked_into_and_only_so_far(self) -> None:
        zipped = self.call("zipped", "/zipped")
        self.assertEqual(zipped["status"], "succeeded", zipped)
        self.assertIn("Bearer [secret:key]", json.dumps(zipped))
        self.assertNotIn(SECRET, json.dumps(zipped))

        before = self.peak()
        large = self.call("large", "/large")
        self.assertIn("the answer has more than 4194304 bytes", large["run"]["error"]["message"])
        self.assertLess(self.peak() - before, 50 << 20)
        self.assertEqual(self.call("after", "/x")["status"], "succeeded")

    def test_numbers_that_are_none_keep_their_letters(self) -> None:
        answered = self.call("nan", "/nan")
        self.assertEqual(answered["status"], "succeeded", answered)
        for letters in ("NaN", "-Infinity", "1e999", "12345678901234567890123"):
            self.assertIn(letters, json.dumps(answered["output"]))

    def peak(self) -> int:
        """The most memory that the server ever had, in bytes."""
        status = Path(f"/proc/{self.server.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) << 10

    def test_a_certificate_that_nobody_knows_is_not_believed(self) -> None:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate(folder))
        with FarSide(tls) as stranger:
            settings = {**self.server.settings, "AGENT_SERVER_EGRESS_ALLOW": stranger.url}
            with Server(**settings) as server:
                asking = session(self, server)
                answer = asking.post("/tools/import/openapi", json={"url": stranger.url})
                self.assertEqual(answer.status_code, 422, answer.text)
                self.assertIn("no connection could be made", answer.text)
            self.assertEqual(stranger.requests, [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
