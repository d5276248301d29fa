"""Somebody connects an assistant to the server in his browser, as hosted assistants have it: the client of MCP's TypeScript SDK,
in both generations, with the OAuth that it brings."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from harness import BINARY
from harness import Server
from harness import free_port
from harness import session
from tls import certificate

NPM = Path(sys.argv.pop(1)).resolve()
MORE = "shop.refund"
SCOPES = f"mcp.access tool.execute agent.execute rag.search {MORE}"
REGISTRATION_TOKEN = "an-initial-access-token-of-a-test"
PASSWORD = "correct horse battery staple"
TOOLS = [("greet", "hello", []), ("refund", "refunded", [MORE])]


class Connector(unittest.TestCase):
    def connect(self, sdk: int, how: str, **settings: str) -> None:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        port, trusted = free_port(), certificate(folder)
        server = self.enterContext(Server(
            REGISTRATION_SCOPES=SCOPES, AGENT_SERVER_EGRESS_ALLOW=f"https://127.0.0.1:{port}",
            SSL_CERT_FILE=str(trusted), **settings,
        ))
        admin = session(self, server)
        for name, value, scopes in TOOLS:
            tool = {
                "name": name, "description": "Of a test.", "kind": "static", "config": {"result": value},
                "input_schema": {"type": "object"}, "scopes": scopes,
            }
            admin.post("/tools/definitions", json=tool).raise_for_status()
        database = Path(server.folder.name) / "data" / "agent-server.db"
        subprocess.run(
            [BINARY, "users", "create", "maria", "--role", "operator", "--scope", MORE, "--stdin"],
            input=PASSWORD, text=True, check=True, stdout=subprocess.DEVNULL,
            env={**os.environ, **server.env, "DATABASE_URL": f"sqlite://{database}"},
        )
        script = NPM / "connector.mjs"
        script.write_text(Path(__file__).with_name("connector.mjs").read_text())
        asked = {
            "base": server.url, "sdk": sdk, "how": how, "token": settings.get("REGISTRATION_TOKEN"),
            "username": "maria", "password": PASSWORD, "more": MORE, "port": port, "certificate": str(trusted),
        }
        done = subprocess.run(
            [NPM / "node_modules/.bin/node", script, json.dumps(asked)], capture_output=True, text=True, timeout=120,
        )
        self.assertEqual(done.stdout, "done\n", done.stderr)

    def test_an_assistant_registers_itself(self) -> None:
        for sdk in (1, 2):
            with self.subTest(sdk):
                self.connect(sdk, "open", REGISTRATION_POLICY="open")

    def test_an_assistant_registers_with_a_token(self) -> None:
        self.connect(2, "token", REGISTRATION_POLICY="token", REGISTRATION_TOKEN=REGISTRATION_TOKEN)

    def test_an_assistant_is_described_by_its_document(self) -> None:
        for sdk in (1, 2):
            with self.subTest(sdk):
                self.connect(sdk, "document", CLIENT_ID_DOCUMENTS="127.0.0.1")


if __name__ == "__main__":
    unittest.main(verbosity=2)
