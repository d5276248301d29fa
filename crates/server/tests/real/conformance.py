"""The conformance suite of the Model Context Protocol, on rows that were brought by the API."""

import subprocess
import sys
import tempfile
import threading
import unittest
from http.server import BaseHTTPRequestHandler
from http.server import HTTPServer
from pathlib import Path

from authlib.integrations.httpx_client import OAuth2Client
from harness import BINARY
from harness import Server
from harness import free_port
from harness import session

NPM = Path(sys.argv.pop(1)).resolve() / "node_modules"
NODE = NPM / "node" / "bin" / "node"
HERE = Path(__file__).parent
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA="

IMAGE = {"type": "image", "data": PNG, "mimeType": "image/png"}
CONTENT = {"result": "content"}
PROMPT = {"as": "prompt"}


def text(said: str) -> dict:
    return {"type": "text", "text": said}


def resource(uri: str, media_type: str, said: str) -> dict:
    return {"type": "resource", "resource": {"uri": uri, "mimeType": media_type, "text": said}}


def fixed(name: str, value: object, **mcp: str) -> dict:
    return {"name": name, "kind": "static", "config": {"result": value}, "metadata": {"mcp": mcp}}


def content(name: str, *blocks: dict, **mcp: str) -> dict:
    return fixed(name, {"content": list(blocks)}, **CONTENT, **mcp)


def script(name: str, code: str, *arguments: str, **mcp: str) -> dict:
    properties = {argument: {"type": "string", "description": "An argument."} for argument in arguments}
    schema = {"type": "object", "properties": properties, "required": list(arguments)}
    return {
        "name": name, "kind": "javascript", "execute_code": code, "effect": "read", "input_schema": schema,
        "metadata": {"mcp": mcp},
    }


def form(message: str, **properties: dict) -> dict:
    """A form that a person fills in."""
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {"ask": {"elicit": {"message": message}}, "schema": schema}


def sample(said: str, tokens: int) -> dict:
    return {"ask": {"sample": {"text": said, "max_tokens": tokens}}, "schema": {}}


def asking(name: str, *rounds: dict, answer: str = "{{ input }}", optional: bool = False,
           arguments: tuple = (), **mcp: str) -> dict:
    """A tool whose client is asked for arguments, round by round."""
    asked = {name: it["schema"] for each in rounds for name, it in each.items()}
    properties = {**asked, **{name: {"type": "string"} for name in arguments}}
    required = [*arguments, *([] if optional else asked)]
    return {
        "name": name, "kind": "template", "config": {"template": answer},
        "input_schema": {"type": "object", "properties": properties, "required": required},
        "metadata": {"mcp": {"asks": [{name: it["ask"] for name, it in each.items()} for each in rounds], **mcp}},
    }


STRING = {"type": "string"}
NAME = form("What is your name?", name=STRING)
CONFIRM = form("Please confirm", ok={"type": "boolean"})
ROOTS = {"ask": {"roots": {}}, "schema": {}}
OPTIONS = ["option1", "option2", "option3"]
TITLED = [{"const": f"value{n}", "title": f"Option {n}"} for n in [1, 2, 3]]

# Tools that ask.
ASKING = [
    asking("test_sampling", {"answer": sample("{{ input.prompt }}", 100)}, arguments=("prompt",),
           answer="LLM response: {{ input.answer.content.text }}"),
    asking("test_elicitation", {"answer": form("{{ input.message }}", username=STRING, email=STRING)},
           arguments=("message",), answer="User response: {{ input.answer }}"),
    asking("test_elicitation_sep1034_defaults", {"answer": form(
        "Please review", name={"type": "string", "default": "John Doe"}, age={"type": "integer", "default": 30},
        score={"type": "number", "default": 95.5},
        status={"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        verified={"type": "boolean", "default": True},
    )}),
    asking("test_elicitation_sep1330_enums", {"answer": form(
        "Please choose", untitledSingle={"type": "string", "enum": OPTIONS},
        titledSingle={"type": "string", "oneOf": TITLED},
        legacyEnum={"type": "string", "enum": ["opt1", "opt2", "opt3"],
                    "enumNames": ["Option One", "Option Two", "Option Three"]},
        untitledMulti={"type": "array", "items": {"type": "string", "enum": OPTIONS}},
        titledMulti={"type": "array", "items": {"anyOf": TITLED}},
    )}),
    asking("test_missing_capability", {"answer": sample("Are you there?", 10)}),
    asking("test_streaming_elicitation", {"user_name": NAME}),
    asking("test_input_required_result_elicitation", {"user_name": NAME}, answer="Hello, {{ input.user_name.name }}!"),
    asking("test_input_required_result_sampling", {"capital_question": sample("What is the capital of France?", 100)},
           answer="{{ input.capital_question.content.text }}"),
    asking("test_input_required_result_list_roots", {"client_roots": ROOTS}),
    asking("test_input_required_result_request_state", {"confirm": CONFIRM}, answer="state-ok {{ input.confirm.ok }}"),
    asking("test_input_required_result_multiple_inputs",
           {"user_name": NAME, "greeting": sample("Generate a greeting", 50), "client_roots": ROOTS}),
    asking("test_input_required_result_multi_round", {"step1": form("Step 1: What is your name?", name=STRING)},
           {"step2": form("Step 2: What is your favorite color, {{ input.step1.name }}?", color=STRING)}),
    asking("test_input_required_result_tampered_state", {"confirm": CONFIRM}),
    asking("test_input_required_result_capabilities", {"user_name": NAME, "greeting": sample("Greet", 50)},
           optional=True),
    asking("test_input_required_result_prompt",
           {"user_context": form("What context should the prompt use?", context=STRING)}, **PROMPT),
]

# The names and texts are those of the suite.
TOOLS = [
    *ASKING,
    script("test_logging_tool", "console.info('It logs.'); return 'logged';"),
    script("test_tool_with_progress",
           "for (const done of [0, 50, 100]) {"
           " ctx.progress(done, 100); await new Promise((end) => setTimeout(end, 600)); } return 'done';"),
    fixed("watched", "This changes.", **{"as": "resource", "uri": "test://watched-resource"}),
    fixed("changing", "This is what changes."),
    content("test_simple_text", text("This is a simple text response for testing.")),
    content("test_image_content", IMAGE),
    content("test_audio_content", {"type": "audio", "data": WAV, "mimeType": "audio/wav"}),
    content("test_embedded_resource",
            resource("test://embedded-resource", "text/plain", "This is an embedded resource content.")),
    content("test_multiple_content_types", text("Multiple content types test:"), IMAGE,
            resource("test://mixed-content-resource", "application/json", '{"test":"data","value":123}')),
    script("test_error_handling", "throw new Error('This tool intentionally returns an error for testing');"),
    script("test_tool_with_logging", "console.info('Tool execution started'); console.info('Tool processing data');"
           " console.info('Tool execution completed'); return 'logged';"),
    fixed("test_simple_prompt", "This is a simple prompt for testing.", **PROMPT),
    script("test_prompt_with_arguments",
           "return `Prompt with arguments: arg1='${input.arg1}', arg2='${input.arg2}'`;", "arg1", "arg2", **PROMPT),
    content("test_prompt_with_image", IMAGE, text("Please analyze the image above."), **PROMPT),
    script("test_prompt_with_embedded_resource",
           "return {content: [{type: 'resource', resource: {uri: input.resourceUri, mimeType: 'text/plain', text:"
           " 'Embedded resource content for testing.'}}, {type: 'text', text: 'Please process the embedded resource"
           " above.'}]};", "resourceUri", **PROMPT, **CONTENT),
    fixed("static_text", "This is the content of the static text resource.",
          **{"as": "resource", "uri": "test://static-text", "mime_type": "text/plain"}),
    fixed("static_binary", {"blob": PNG},
          **{"as": "resource", "uri": "test://static-binary", "mime_type": "image/png"}),
    script("template_data",
           "return JSON.stringify({id: input.id, templateTest: true, data: `Data for ID: ${input.id}`});", "id",
           **{"as": "resource", "uri": "test://template/{id}/data", "mime_type": "application/json"}),
]


def trigger(name: str, url: str) -> dict:
    """A tool that has the fixtures changed by somebody who may."""
    return {
        "name": name, "kind": "http", "effect": "effect", "input_schema": {"type": "object"},
        "config": {"method": "POST", "url": url, "allow_http": True},
    }


class Changer:
    """Changes a tool by the API whenever it is asked to: the tools of the suite that change something call it."""

    def __init__(self, admin: OAuth2Client, port: int) -> None:
        self.admin, self.count = admin, 0
        changer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                changer.change()
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{port}"

    def __enter__(self) -> "Changer":
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def change(self) -> None:
        path = "/tools/definitions/changing"
        etag = self.admin.get(path).headers["etag"]
        self.count += 1
        changed = {"description": f"Changed {self.count} times."}
        self.admin.put(path, json=changed, headers={"if-match": etag}).raise_for_status()


def whole(tool: dict) -> dict:
    return {"description": "Of the suite.", "input_schema": {"type": "object"}, **tool}


class Conformance(unittest.TestCase):
    def test_all_that_is_there_is_as_the_protocol_says(self) -> None:
        port, changes = free_port(), free_port()
        settings = {
            "TOKEN_SERVICE_URL": f"http://localhost:{port}",
            "AGENT_SERVER_EGRESS_ALLOW": f"http://127.0.0.1:{changes}",
        }
        with Server(**settings) as server, Changer(session(self, server), changes) as changer:
            admin = session(self, server)
            triggers = [trigger(f"test_trigger_{list}_change", changer.url) for list in ["tool", "prompt"]]
            for tool in [*TOOLS, *triggers]:
                reply = admin.post("/tools/definitions", json=whole(tool))
                self.assertEqual(reply.status_code, 201, reply.text)
            for requirements in ["2025-11-25", "2026-07-28"]:
                with self.subTest(requirements):
                    self.check(server, port, requirements)

    def check(self, server: Server, port: int, requirements: str) -> None:
        client = session(self, server)
        token = client.fetch_token(
            f"{server.url}/oauth/token", grant_type="client_credentials", resource=f"http://localhost:{port}/mcp",
        )["access_token"]
        proxy = subprocess.Popen(
            [NODE, HERE / "conformance.mjs", str(port), str(server.port), token], stdout=subprocess.PIPE, text=True,
        )
        try:
            self.assertEqual(proxy.stdout.readline(), "ready\n")
            self.hold("server", "--url", f"http://localhost:{port}/mcp", requirements=requirements)
        finally:
            proxy.terminate()
            proxy.wait()
            proxy.stdout.close()

    def test_what_asks_other_servers_does_as_the_protocol_says(self) -> None:
        command = f"{sys.executable} {HERE / 'conformance_client.py'} {BINARY}"
        for requirements in ["2025-11-25", "2026-07-28"]:
            with self.subTest(requirements):
                self.hold("client", "--command", command, "--timeout", "180000", requirements=requirements)

    def hold(self, *asked: str, requirements: str) -> None:
        """Holds something to the suite. It writes its results where it stands."""
        suite = NPM / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [NODE, suite, *asked, "--requirements", requirements, "--verbose",
                 "--expected-failures", HERE / "conformance-missing.yml"],
                cwd=folder, capture_output=True, text=True, timeout=1200,
            )
        self.assertEqual(done.returncode, 0, done.stdout[-6000:] + done.stderr[-2000:])


if __name__ == "__main__":
    unittest.main()
