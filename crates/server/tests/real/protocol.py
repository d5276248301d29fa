"""Clients of MCP that others wrote: the SDKs of Python and TypeScript in every revision that they speak, over HTTP and through
`agent-server mcp`, and the command line of the inspector."""

import asyncio
import json
import subprocess
import sys
import threading
import time
import unittest
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from pathlib import Path

import httpx
import httpx2
from harness import BINARY
from harness import Server
from harness import session
from mcp import Client
from mcp import MCPError
from mcp import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.subscriptions import ToolsListChanged

NPM = Path(sys.argv.pop(1)).resolve()
NODE = NPM / "node_modules/node/bin/node"
SCOPES = "mcp.access tool.execute agent.execute rag.search run.read"
REFUND = "Refunds are paid within a week."
WORD = {"type": "string", "description": "A word."}


class Gate(ThreadingHTTPServer):
    """Never answers those who come, and says when somebody has come. Who comes to `/held` is answered when somebody has
    been at `/go`."""

    daemon_threads = True

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            match self.path:
                case "/held":
                    self.server.go.acquire()
                case "/go":
                    self.server.go.release()
                case _:
                    self.server.came.release()
                    self.server.closed.wait()
                    return
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.came, self.go, self.closed = threading.Semaphore(0), threading.Semaphore(0), threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def server_close(self) -> None:
        self.closed.set()
        self.shutdown()
        super().server_close()


def object_of(**properties: dict) -> dict:
    return {"type": "object", "properties": properties, "required": list(properties)}


def rows(gate: str) -> list[dict]:
    number = {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]}
    return [
        {"name": "echo", "kind": "template", "input_schema": object_of(text=WORD), "config": {"template": "echo: {{ input.text }}"}},
        {"name": "seven", "kind": "static", "config": {"result": {"number": 7}}, "output_schema": number},
        {"name": "wait", "kind": "http", "config": {"url": gate, "allow_http": True}},
        {"name": "hold", "kind": "http", "config": {"url": f"{gate}/held", "allow_http": True}},
        {"name": "refund", "kind": "static", "config": {"result": "refunded"}, "scopes": ["shop.refund"]},
        {
            "name": "letter", "kind": "template", "input_schema": object_of(to=WORD), "effect": "read",
            "config": {"template": "Write to {{ input.to }}."}, "metadata": {"mcp": {"as": "prompt"}},
        },
        {
            "name": "note", "kind": "template", "input_schema": object_of(id=WORD), "effect": "read",
            "config": {"template": "note {{ input.id }}"},
            "metadata": {"mcp": {"as": "resource", "uri": "note://{id}/text", "mime_type": "text/plain"}},
        },
    ]


class Protocol(unittest.TestCase):
    def setUp(self) -> None:
        self.gate = self.enterContext(Gate())
        self.server = self.enterContext(Server(AGENT_SERVER_EGRESS_ALLOW=self.gate.url))
        self.admin = session(self, self.server)
        for row in rows(self.gate.url):
            self.make_tool(row)
        agent = {"name": "clerk", "display_name": "Clerk", "instructions": "", "model": "demo/scripted", "tools": ["hold"]}
        self.post("/agents/definitions", agent)
        self.ingest()
        exposed = {"instructions": "Be kind.", "expose": {"agents": ["*"], "tools": ["*"], "rag_databases": ["*"]}}
        self.post("/mcp/server", exposed)
        client = self.post("/oauth/register", {"client_name": "Desk", "scope": SCOPES})
        self.id, self.secret = client["client_id"], client["client_secret"]
        self.made = 0

    def post(self, path: str, body: dict) -> dict:
        reply = self.admin.post(path, json=body)
        self.assertLess(reply.status_code, 300, reply.text)
        return reply.json()

    def make_tool(self, row: dict) -> None:
        self.post("/tools/definitions", {"description": "Of a test.", "input_schema": {"type": "object"}, **row})

    def make_another(self) -> None:
        self.made += 1
        self.make_tool({"name": f"new_{self.made}", "kind": "static", "config": {"result": self.made}})

    def ingest(self) -> None:
        self.post("/rag/databases", {"name": "handbook"})
        document = self.post("/rag/databases/handbook/documents", {"filename": "refunds.md", "text": REFUND})
        self.eventually(lambda: self.admin.get(f"/rag/databases/handbook/documents/{document['id']}").json()["embedding_status"] == "completed")

    def eventually(self, holds) -> None:
        end = time.monotonic() + 30
        while not holds():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.05)

    def token(self) -> str:
        asked = {"grant_type": "client_credentials", "resource": f"{self.server.url}/mcp"}
        reply = httpx.post(f"{self.server.url}/oauth/token", data=asked, auth=(self.id, self.secret))
        return reply.raise_for_status().json()["access_token"]

    def bridge(self) -> dict:
        return {
            "command": str(BINARY), "args": ["mcp", "--url", self.server.url],
            "env": {"MANAGEMENT_CLIENT_ID": self.id, "MANAGEMENT_CLIENT_SECRET": self.secret},
        }

    @asynccontextmanager
    async def transport(self, way: str) -> AsyncIterator:
        if way == "stdio":
            yield StdioServerParameters(**self.bridge())
            return
        headers = {"authorization": f"Bearer {self.token()}"}
        async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
            yield streamable_http_client(f"{self.server.url}/mcp", http_client=http)

    def test_the_sdk_of_python(self) -> None:
        for mode, version in (("auto", "2026-07-28"), ("legacy", "2025-11-25")):
            for way in ("http", "stdio"):
                with self.subTest(mode=mode, way=way):
                    asyncio.run(asyncio.wait_for(self.python(mode, version, way), 120))

    async def python(self, mode: str, version: str, way: str) -> None:
        changed = asyncio.Event()

        async def heard(message: object) -> None:
            if "ToolListChanged" in type(getattr(message, "root", message)).__name__:
                changed.set()

        async with self.transport(way) as transport, Client(transport, mode=mode, message_handler=heard) as client:
            self.assertEqual((client.protocol_version, client.instructions), (version, "Be kind."))
            await self.ask(client)
            await self.cancel(client)
            with self.assertRaisesRegex(MCPError, "shop.refund"):
                await client.call_tool("refund", {})
            await self.change(client, mode, changed)

    async def ask(self, client: Client) -> None:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        self.assertLessEqual({"echo", "seven", "wait", "ask_demo", "search_handbook"}, set(tools))
        self.assertTrue({"refund", "letter", "note"}.isdisjoint(tools))
        self.assertEqual(tools["seven"].output_schema["type"], "object")

        said = await client.call_tool("echo", {"text": "ö"})
        self.assertEqual((said.content[0].text, said.is_error), ("echo: ö", False))
        self.assertEqual((await client.call_tool("seven", {})).structured_content, {"number": 7})
        wrong = await client.call_tool("echo", {"text": 7})
        self.assertTrue(wrong.is_error)

        steps = []

        async def progress(done: float, total: float | None, message: str | None) -> None:
            steps.append(done)
            if len(steps) == 1:
                # Not before that does the agent go on.
                self.gate.go.release()

        answer = await client.call_tool("ask_clerk", {"input": "use tool hold with {}"}, progress_callback=progress)
        self.assertTrue(answer.content[0].text)
        self.assertTrue(steps and steps == sorted(set(steps)), steps)
        run = await client.read_resource(f"run://{answer.meta['agent-server/run_id']}")
        self.assertEqual(json.loads(run.contents[0].text)["status"], "succeeded")
        found = await client.call_tool("search_handbook", {"query": "When are refunds paid?"})
        self.assertIn(REFUND, found.content[0].text)

        resources = {str(it.uri) for it in (await client.list_resources()).resources}
        self.assertLessEqual({"agent://demo", "rag://handbook"}, resources)
        templates = {it.uri_template for it in (await client.list_resource_templates()).resource_templates}
        self.assertIn("note://{id}/text", templates)
        self.assertEqual((await client.read_resource("note://7/text")).contents[0].text, "note 7")
        self.assertEqual([it.name for it in (await client.list_prompts()).prompts], ["letter"])
        prompt = await client.get_prompt("letter", {"to": "Ada"})
        self.assertEqual(prompt.messages[0].content.text, "Write to Ada.")

    async def cancel(self, client: Client) -> None:
        call = asyncio.create_task(client.call_tool("wait", {}))
        await asyncio.to_thread(self.gate.came.acquire)
        call.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await call
        await asyncio.to_thread(self.eventually, self.is_canceled)

    def is_canceled(self) -> bool:
        runs = self.admin.get("/runs", params={"kind": "tool"}).json()["data"]
        return next(run["status"] for run in runs if run["definition"]["name"] == "wait") == "canceled"

    async def change(self, client: Client, mode: str, changed: asyncio.Event) -> None:
        if mode == "legacy":
            await asyncio.to_thread(self.make_another)
            await changed.wait()
        else:
            async with client.listen(tools_list_changed=True) as changes:
                await asyncio.to_thread(self.make_another)
                self.assertEqual(await anext(changes), ToolsListChanged())
        listed = [tool.name for tool in (await client.list_tools()).tools]
        self.assertIn(f"new_{self.made}", listed)

    def test_the_sdks_of_typescript(self) -> None:
        script = NPM / "protocol.mjs"
        script.write_text(Path(__file__).with_name("protocol.mjs").read_text())
        for sdk, mode, version in ((2, "auto", "2026-07-28"), (2, "legacy", "2025-11-25"), (1, "legacy", "2025-11-25")):
            for way in ("http", "stdio"):
                with self.subTest(sdk=sdk, mode=mode, way=way):
                    self.made += 1
                    asked = {
                        "base": self.server.url, "sdk": sdk, "mode": mode, "version": version, "way": way, "token": self.token(),
                        "bridge": self.bridge(), "admin": self.admin.token["access_token"], "name": f"new_{self.made}",
                        "refund": REFUND, "gate": self.gate.url,
                    }
                    done = subprocess.run(
                        [NODE, script], input=json.dumps(asked), capture_output=True, text=True, timeout=120,
                    )
                    self.assertEqual((done.stdout, done.returncode), ("done\n", 0), done.stderr)

    def test_a_session_of_others_is_not_there(self) -> None:
        mine = self.token()
        other = self.post("/oauth/register", {"client_name": "Other", "scope": SCOPES})
        self.id, self.secret = other["client_id"], other["client_secret"]
        asyncio.run(asyncio.wait_for(self.share(mine, self.token()), 60))

    async def share(self, mine: str, others: str) -> None:
        """Begins a session by one token, and names it with the other."""
        sessions = []

        async def keep(response: httpx2.Response) -> None:
            sessions.append(response.headers.get("mcp-session-id"))

        url, headers = f"{self.server.url}/mcp", {"authorization": f"Bearer {mine}"}
        async with (
            httpx2.AsyncClient(headers=headers, event_hooks={"response": [keep]}) as http,
            Client(streamable_http_client(url, http_client=http), mode="legacy") as client,
        ):
            named = {
                "accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25",
                "mcp-session-id": sessions[0], "authorization": f"Bearer {others}",
            }
            ask = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
            for method, body in (("POST", ask), ("GET", None), ("DELETE", None)):
                reply = httpx.request(method, url, headers=named, json=body)
                self.assertEqual(reply.status_code, 404, (method, reply.text))
            self.assertTrue((await client.list_tools()).tools)

    def test_the_command_line_of_the_inspector(self) -> None:
        token, bridge = self.token(), self.bridge()
        variables = [word for pair in bridge["env"].items() for word in ("-e", "=".join(pair))]
        ways = {
            "http": [f"{self.server.url}/mcp", "--transport", "http", "--header", f"Authorization: Bearer {token}"],
            "stdio": [*variables, bridge["command"], *bridge["args"]],
        }
        for way, where in ways.items():
            with self.subTest(way):
                listed = self.inspect(where, "--method", "tools/list")
                self.assertIn("echo", [tool["name"] for tool in listed["tools"]])
                said = self.inspect(where, "--method", "tools/call", "--tool-name", "echo", "--tool-arg", "text=hello")
                self.assertEqual(said["content"][0]["text"], "echo: hello")
                read = self.inspect(where, "--method", "resources/read", "--uri", "note://7/text")
                self.assertEqual(read["contents"][0]["text"], "note 7")
                prompt = self.inspect(where, "--method", "prompts/get", "--prompt-name", "letter", "--prompt-args", "to=Ada")
                self.assertEqual(prompt["messages"][0]["content"]["text"], "Write to Ada.")

    def inspect(self, where: list[str], *asked: str) -> dict:
        command = NPM / "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js"
        done = subprocess.run(
            [NODE, command, "--cli", *where, *asked], capture_output=True, text=True, timeout=60,
            env={"HOME": self.server.folder.name, "PATH": f"{NODE.parent}:/usr/bin:/bin"}, stdin=subprocess.DEVNULL,
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return json.loads(done.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
