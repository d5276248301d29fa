"""The conformance suite of the Model Context Protocol, on rows that were brought by the API."""

import subprocess
import sys
import unittest
from pathlib import Path

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


# The names and texts are those of the suite.
TOOLS = [
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


class Conformance(unittest.TestCase):
    def test_all_that_is_there_is_as_the_protocol_says(self) -> None:
        port = free_port()
        with Server(TOKEN_SERVICE_URL=f"http://localhost:{port}") as server:
            admin = session(self, server)
            for tool in TOOLS:
                whole = {"description": "Of the suite.", "input_schema": {"type": "object"}, **tool}
                reply = admin.post("/tools/definitions", json=whole)
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
            suite = NPM / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
            done = subprocess.run(
                [NODE, suite, "server", "--url", f"http://localhost:{port}/mcp", "--requirements", requirements,
                 "--expected-failures", HERE / "conformance-missing.yml"],
                cwd=server.folder.name, capture_output=True, text=True, timeout=300,
            )
            self.assertEqual(done.returncode, 0, done.stdout[-6000:] + done.stderr[-2000:])
        finally:
            proxy.terminate()
            proxy.wait()
            proxy.stdout.close()


if __name__ == "__main__":
    unittest.main()
