"""One scenario of the conformance suite for clients: conformance_client.py AGENT_SERVER URL

What is held to it is what asks other servers: the server of the scenario becomes an upstream of a real server, and its tools are
called by the API, as everybody calls them.
"""

import json
import os
import sys
import time
from urllib.parse import urlsplit

import httpx
from harness import Server

URL = sys.argv[1]
SCENARIO = os.environ["MCP_CONFORMANCE_SCENARIO"]
CONTEXT = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}"))
SAMPLES = {"number": 2, "integer": 2, "string": "a", "boolean": True, "array": [], "object": {}, "null": None}


def arguments(schema: dict) -> dict:
    """Some that a schema takes."""
    return {name: SAMPLES[it["type"]] for name, it in schema.get("properties", {}).items() if "type" in it}


def calls(admin: httpx.Client, tools: list[dict]) -> list[tuple[str, dict]]:
    if "toolCalls" in CONTEXT:
        # A model gives no `null` where a schema wants something else: the API would refuse it.
        given = [(it["name"], it["arguments"]) for it in CONTEXT["toolCalls"]]
        return [(name, {member: value for member, value in it.items() if value is not None}) for name, it in given]
    taken = [tool for tool in tools if tool["pinned"]]
    definitions = [admin.get(f"/tools/definitions/{tool['tool']}").json() for tool in taken]
    return [(tool["name"], arguments(it["input_schema"])) for tool, it in zip(taken, definitions)]


def main() -> None:
    if SCENARIO.startswith("auth/"):
        sys.exit("not driven: there is no person here who consents")
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(URL))
    with Server(AGENT_SERVER_EGRESS_ALLOW=origin) as server, httpx.Client(base_url=server.url, timeout=60) as admin:
        asked = {"grant_type": "client_credentials"}
        token = admin.post("/oauth/token", data=asked, auth=(server.client_id, server.client_secret)).json()
        admin.headers["authorization"] = f"Bearer {token['access_token']}"
        made = admin.post("/mcp/upstreams", json={"name": "far", "url": URL})
        print(made.status_code, made.text)
        # Who listens is there by then: some scenarios count streams.
        time.sleep(1)
        for name, given in calls(admin, made.json()["tools"]):
            called = admin.post(f"/tools/far__{name}/execute", json={"input": given})
            print(name, called.status_code, called.text)


main()
