"""Drives the real binary with the model server `aimock` (npm) as each provider: models.py AGENT_SERVER FOLDER

It is that project's reading of the protocols, and strict where the providers are: it refuses thoughts that come
back without their signature. FOLDER is where npm has put it and its node.
"""

import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
from harness import Server, free_port, session

FOLDER = Path(sys.argv.pop(1)).resolve()
THOUGHT = "The user asks for the time 🕙."
SIGNATURE = "c2lnbmVkL2J5K2FpbW9jaw=="
USAGE = {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}
FIXTURES = {"fixtures": [
    {
        "match": {"userMessage": "what time", "hasToolResult": False},
        "response": {
            "reasoning": THOUGHT, "reasoningSignature": SIGNATURE, "content": "Let me look.",
            "toolCalls": [{"id": "call_1", "name": "current_time", "arguments": "{}"}], "usage": USAGE,
        },
    },
    {
        "match": {"userMessage": "what time", "hasToolResult": True},
        "response": {
            "content": "It is late in Zürich.", "reasoning": THOUGHT, "reasoningSignature": SIGNATURE, "usage": USAGE,
        },
    },
    {"match": {"userMessage": "and now"}, "response": {"content": "Later."}},
    {"match": {"userMessage": "too often"}, "response": {"error": {"message": "Slow down"}, "status": 400}},
]}
# One model of each provider that thinks, and for which aimock sends thoughts.
MODELS = {
    "openai": "openai/o3",
    "openai-responses": "openai-responses/gpt-5",
    "anthropic": "anthropic/claude-sonnet-4-5",
    "google": "google/gemini-2.5-pro",
    "ollama": "ollama/deepseek-r1",
}


class Aimock:
    """`aimock` with the fixtures above."""

    def __enter__(self) -> "Aimock":
        self.folder = tempfile.TemporaryDirectory()
        fixtures = Path(self.folder.name) / "fixtures.json"
        fixtures.write_text(json.dumps(FIXTURES))
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        modules = FOLDER / "node_modules"
        self.process = subprocess.Popen(
            [modules / ".bin" / "node", modules / "@copilotkit" / "aimock" / "dist" / "cli.js",
             "--port", str(port), "--fixtures", fixtures, "--log-level", "silent"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )
        end = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return self
            except OSError:
                if self.process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError("aimock did not start") from None
                time.sleep(0.05)

    def __exit__(self, *_) -> None:
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()

    def settings(self) -> dict:
        urls = {
            "OPENAI": "/v1", "OPENAI_RESPONSES": "/v1", "ANTHROPIC": "", "GOOGLE": "/v1beta", "OLLAMA": "",
        }
        keys = {f"{name}_API_KEY": "test-key" for name in urls}
        return keys | {f"{name}_BASE_URL": self.url + path for name, path in urls.items()}


class Wire(ThreadingHTTPServer):
    """Stands before `aimock`, and keeps what goes over the wire, each request with its answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers["content-length"]))
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            answer = httpx.post(self.server.behind + self.path, content=asked, headers=headers, timeout=60)
            # Google signs calls, which aimock does not.
            content = answer.content
            if "GenerateContent" in self.path:
                content = content.replace(b'"functionCall":', f'"thoughtSignature":"{SIGNATURE}","functionCall":'.encode())
            self.server.seen.append((asked.decode(), content.decode()))
            self.send_response(answer.status_code)
            self.send_header("content-type", answer.headers["content-type"])
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_) -> None:
            pass

    def __init__(self, behind: str) -> None:
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.behind, self.seen = behind, []
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def server_close(self) -> None:
        self.shutdown()
        super().server_close()


class Models(unittest.TestCase):
    def setUp(self) -> None:
        self.aimock = self.enterContext(Aimock())
        self.wire = self.enterContext(Wire(self.aimock.url))
        self.aimock.url = self.wire.url
        self.server = self.enterContext(Server(**self.aimock.settings()))
        self.session = session(self, self.server)

    def agent(self, name: str, **members) -> None:
        definition = {"name": name, "display_name": name, "instructions": "Be brief.", **members}
        self.session.post("/agents/definitions", json=definition).raise_for_status()

    def execute(self, name: str, text: str, thread: str | None = None) -> dict:
        body = {"input": text} | ({"thread_id": thread} if thread else {})
        return self.session.post(f"/agents/{name}/execute", json=body, timeout=60).raise_for_status().json()

    def test_each_provider_calls_a_tool_and_answers(self) -> None:
        for provider, model in MODELS.items():
            with self.subTest(provider):
                self.agent(provider, model=model, tools=["current_time"])
                run = self.execute(provider, "what time is it?")
                self.assertEqual(run["status"], "succeeded", run)
                self.assertEqual(run["output"]["text"], "It is late in Zürich.")
                events = self.session.get(f"/runs/{run['id']}/events").json()["data"]
                kinds = [event["type"] for event in events]
                self.assertEqual(kinds.count("tool.finished"), 1)
                first = next(event for event in events if event["type"] == "model.finished")
                content = first["data"]["message"]["content"]
                said = [part["text"] for part in content if part["type"] == "reasoning" and part["text"]]
                # Of Ollama it knows another name for thoughts than Ollama itself.
                self.assertEqual(said, [] if provider == "ollama" else [THOUGHT], content)
                is_priced = run["usage"]["cost_usd"] is not None
                self.assertEqual(is_priced, provider != "ollama", run["usage"])

    def test_an_error_of_each_provider_is_told(self) -> None:
        for provider, model in MODELS.items():
            with self.subTest(provider):
                self.agent(provider, model=model)
                answer = self.session.post(f"/agents/{provider}/execute", json={"input": "too often"})
                self.assertEqual(answer.status_code, 502, answer.text)
                self.assertIn(f"`{provider}` answered 400: Slow down", answer.text)

    def test_thoughts_come_back_in_a_run_whose_process_was_killed_between_its_turns(self) -> None:
        thinking = {"reasoning_effort": "low"}
        tools = [{"name": "current_time", "approval": "always"}]
        for provider in ("anthropic", "openai-responses", "google"):
            with self.subTest(provider):
                self.agent(provider, model=MODELS[provider], tools=tools, model_options=thinking)
                run = self.execute(provider, "what time is it?")
                self.assertEqual(run["status"], "suspended", run)
                self.server.process.kill()
                self.server.process.wait()
                self.server.start()
                self.session = session(self, self.server)

                [approval] = self.session.get(f"/approvals?run_id={run['id']}").json()["data"]
                decision = {"decision": "approve", "arguments_hash": approval["arguments_hash"]}
                self.session.post(f"/approvals/{approval['id']}", json=decision).raise_for_status()
                run = self.session.get(f"/runs/{run['id']}/wait", timeout=60).json()
                self.assertEqual((run["status"], run["output"]["text"]), ("succeeded", "It is late in Zürich."))

                (first, answer), (second, _) = self.wire.seen[-2:]
                self.assertTrue(len(second) > len(first) and "what time" in second)
                if provider == "anthropic":
                    block = {"type": "thinking", "thinking": THOUGHT, "signature": SIGNATURE}
                    self.assertIn(block, json.loads(second)["messages"][1]["content"])
                if provider == "openai-responses":
                    events = [json.loads(line[6:]) for line in answer.splitlines() if line.startswith("data: {")]
                    done = [it["item"] for it in events if it["type"] == "response.output_item.done"]
                    [thought] = [item for item in done if item["type"] == "reasoning"]
                    self.assertIn(thought, json.loads(second)["input"])
                    self.assertIn(json.dumps(thought["encrypted_content"]), second)
                if provider == "google":
                    [call] = [part for turn in json.loads(second)["contents"] for part in turn["parts"] if "functionCall" in part]
                    self.assertEqual(call["thoughtSignature"], SIGNATURE)

    def test_signed_thoughts_come_back_over_a_tool_turn_and_a_restart(self) -> None:
        thinking = {"reasoning_effort": "low"}
        for provider in ("anthropic", "openai-responses", "google"):
            with self.subTest(provider):
                self.agent(provider, model=MODELS[provider], tools=["current_time"], model_options=thinking)
                thread = self.session.post("/threads", json={}).raise_for_status().json()["id"]
                run = self.execute(provider, "what time is it?", thread)
                self.assertEqual(run["status"], "succeeded", run)

                self.server.stop()
                self.server.start()
                self.session = session(self, self.server)
                run = self.execute(provider, "and now?", thread)
                self.assertEqual(run["output"]["text"], "Later.", run)
                if provider in ("anthropic", "google"):
                    self.assertIn(json.dumps(SIGNATURE), self.wire.seen[-1][0])
                kept = [
                    part["private"]["data"]
                    for message in self.session.get(f"/threads/{thread}/messages").json()["data"]
                    for part in message["content"]
                    if part["type"] == "reasoning" and part.get("private")
                ]
                if provider == "anthropic":
                    self.assertTrue(kept and all(SIGNATURE in data for data in kept), kept)
                if provider == "openai-responses":
                    self.assertTrue(kept and all("encrypted_content" in data for data in kept), kept)


if __name__ == "__main__":
    unittest.main(verbosity=2)
