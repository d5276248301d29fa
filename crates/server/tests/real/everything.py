"""An MCP server that others wrote, and that has everything, as an upstream: the npm package `@modelcontextprotocol/server-everything`,
over HTTP and as a program."""

import json
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import httpx
from harness import Server
from harness import free_port
from harness import session

NPM = Path(sys.argv.pop(1)).resolve() / "node_modules"
NODE = NPM / "node" / "bin" / "node"
PROGRAM = NPM / "@modelcontextprotocol" / "server-everything" / "dist" / "index.js"


class Everything(unittest.TestCase):
    def test_over_http(self) -> None:
        port = free_port()
        log = self.enterContext(tempfile.TemporaryFile())
        program = subprocess.Popen(
            [NODE, PROGRAM, "streamableHttp"], env={"PORT": str(port)}, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
        )
        self.addCleanup(program.wait)
        self.addCleanup(program.terminate)
        self.wait_for(program, port)
        origin = f"http://127.0.0.1:{port}"
        self.server = self.enterContext(Server(AGENT_SERVER_EGRESS_ALLOW=origin))
        self.api = session(self, self.server)
        far = self.post("/mcp/upstreams", {"name": "far", "url": f"{origin}/mcp"})
        self.use(far)

    def test_as_a_program(self) -> None:
        folder = self.enterContext(tempfile.TemporaryDirectory())
        file = Path(folder) / "servers.json"
        env = {"PLANTED": "in the file"}
        file.write_text(json.dumps({"mcpServers": {"far": {"command": str(NODE), "args": [str(PROGRAM)], "env": env}}}))
        self.server = self.enterContext(Server(MCP_SERVERS_FILE=str(file)))
        self.api = session(self, self.server)
        self.use(self.post("/mcp/upstreams/far/refresh", {}))
        given = json.loads(self.call("get-env", {}))
        self.assertLessEqual(set(given), {"PATH", "HOME", "PLANTED"})
        self.assertEqual(given["PLANTED"], "in the file")

    def wait_for(self, program: subprocess.Popen, port: int) -> None:
        end = time.monotonic() + 60
        while True:
            self.assertIsNone(program.poll())
            self.assertLess(time.monotonic(), end)
            try:
                httpx.get(f"http://127.0.0.1:{port}/mcp")
                return
            except httpx.TransportError:
                time.sleep(0.05)

    def post(self, path: str, body: dict) -> dict:
        reply = self.api.post(path, json=body)
        self.assertLess(reply.status_code, 300, reply.text)
        return reply.json()

    def call(self, tool: str, given: dict) -> object:
        return self.post(f"/tools/far__{tool}/execute", {"input": given})["output"]

    def use(self, far: dict) -> None:
        self.assertEqual((far["state"], far["last_error"]), ("connected", None), far)
        left_out = [tool for tool in far["tools"] if not tool["pinned"]]
        self.assertEqual(left_out, [])
        self.assertEqual(self.call("echo", {"message": "ö"}), "Echo: ö")
        self.assertEqual(self.call("get-sum", {"a": 40, "b": 2}), "The sum of 40 and 2 is 42.")
        weather = {"temperature": 33, "conditions": "Cloudy", "humidity": 82}
        self.assertEqual(self.call("get-structured-content", {"location": "New York"}), weather)
        blocks = self.call("get-tiny-image", {})["content"]
        self.assertEqual([block["type"] for block in blocks], ["text", "image", "text"])
        self.assertTrue(blocks[1]["data"].startswith("iVBORw0KGgo"))
        self.take_long()
        wrong = self.api.post("/tools/far__gzip-file-as-resource/execute", json={"input": {"data": "ftp://example.com"}})
        self.assertEqual(wrong.status_code, 502, wrong.text)
        self.assertIn("Unsupported URL protocol", wrong.json()["run"]["error"]["message"])
        self.ask()

    def take_long(self) -> None:
        run = self.post("/tools/far__trigger-long-running-operation/execute", {"input": {"duration": 2, "steps": 4}})
        self.assertIn("Long running operation completed", run["output"])
        events = self.api.get(f"/runs/{run['id']}/events").json()["data"]
        steps = [event["data"]["progress"] for event in events if event["type"] == "tool.progress"]
        self.assertTrue(steps and steps == sorted(set(steps)) and set(steps) <= {1, 2, 3, 4}, steps)

    def ask(self) -> None:
        agent = {"name": "helper", "display_name": "Helper", "instructions": "", "model": "demo/scripted", "tools": ["far__echo"]}
        self.post("/agents/definitions", agent)
        run = self.post("/agents/helper/execute", {"input": 'use tool far__echo with {"message": "hello"}'})
        events = self.api.get(f"/runs/{run['id']}/events").json()["data"]
        said = [event["data"]["result"] for event in events if event["type"] == "tool.finished"]
        self.assertEqual(said, ["Echo: hello"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
