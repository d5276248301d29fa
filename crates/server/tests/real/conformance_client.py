"""One scenario of the conformance suite for clients: conformance_client.py AGENT_SERVER URL

What is held to it is what asks other servers: the server of the scenario becomes an upstream of a real server, and its tools are
called by the API, as everybody calls them.
"""

import json
import os
import re
import sys
import time
from html import unescape
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


class Person:
    """Somebody who is signed in in a browser, and consents."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.browser = httpx.Client(base_url=server.url, headers={"origin": server.url}, timeout=60)
        known = {"username": server.client_id, "password": server.client_secret}
        self.browser.post("/sign-in", data=known)

    def consent(self) -> None:
        page = self.browser.post("/mcp/consent/far", data={"decision": "allow"})
        # What may be asked is a setting: the page says which place may not.
        while refused := re.search("`([^`]+)` does not answer: the URL was refused", unescape(page.text)):
            self.permit(refused[1])
            page = self.browser.post("/mcp/consent/far", data={"decision": "allow"})
        away = page.headers.get("refresh", "").removeprefix("0;url=")
        if not away:
            sys.exit(page.text)
        done = self.browser.get(httpx.get(away).headers["location"])
        print("back", done.status_code, "" if done.status_code == 303 else done.text)

    def permit(self, place: str) -> None:
        settings = self.server.settings
        settings["AGENT_SERVER_EGRESS_ALLOW"] += f",{place}"
        self.server.stop()
        self.server.start()


def upstream() -> dict:
    if not SCENARIO.startswith("auth/"):
        return {"name": "far", "url": URL}
    known = {}
    if "client_secret" in CONTEXT:
        known = {"client_id": CONTEXT["client_id"], "secret": "far"}
    elif SCENARIO == "auth/basic-cimd":
        # The suite knows a client only by its own document.
        known = {"client_id": "https://conformance-test.local/client-metadata.json"}
    return {"name": "far", "url": URL, "auth": {"type": "consent", **known}}


def main() -> None:
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(URL))
    with Server(AGENT_SERVER_EGRESS_ALLOW=origin) as server, httpx.Client(base_url=server.url, timeout=60) as admin:
        token = admin.post(
            "/oauth/token", data={"grant_type": "client_credentials"}, auth=(server.client_id, server.client_secret),
        ).json()
        admin.headers["authorization"] = f"Bearer {token['access_token']}"
        if "client_secret" in CONTEXT:
            secret = {"name": "far", "value": CONTEXT["client_secret"], "hosts": ["localhost"]}
            admin.post("/secrets", json=secret).raise_for_status()
        far = admin.post("/mcp/upstreams", json=upstream())
        print(far.status_code, far.text)
        person = Person(server)
        for _ in range(2):
            if far.json()["state"] == "needs_consent":
                person.consent()
                far = admin.get("/mcp/upstreams/far")
                print(far.status_code, far.text)
        # Who listens is there by then: some scenarios count streams.
        time.sleep(1)
        for name, given in calls(admin, far.json()["tools"]):
            for _ in range(5):
                called = admin.post(f"/tools/far__{name}/execute", json={"input": given})
                print(name, called.status_code, called.text)
                if "/mcp/consent/far" not in called.text:
                    break
                person.consent()


main()
