"""Drives the real binary with clients that others wrote: clients.py AGENT_SERVER OPENAPI_OF_NOTION

What they accept is what the field accepts; nothing here reads an answer by hand that a library reads.
"""

import json
import queue
import sys
import threading
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import jwt
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from httpx_sse import connect_sse
from openapi_spec_validator import OpenAPIV31SpecValidator
from prometheus_client.parser import text_string_to_metric_families
from standardwebhooks import Webhook, WebhookVerificationError

from harness import Server, session

NOTION = Path(sys.argv.pop(1)).resolve()
ASK = {"input": "use tool current_time with {}"}
WEBHOOK_KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Notion(HTTPServer):
    """Stands for the API of Notion: keeps what it is sent, and repeats it."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            self.server.requests.append((self.command, self.path, dict(self.headers), body))
            echo = json.dumps({"headers": dict(self.headers), "body": body.decode()}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(echo)))
            self.end_headers()
            self.wfile.write(echo)

        do_GET = do_POST = do_PATCH = do_DELETE = answer

        def log_message(self, *_) -> None:
            pass

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.requests = []
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def server_close(self) -> None:
        self.shutdown()
        super().server_close()


class Receiver(HTTPServer):
    """Refuses the first webhook, takes all others, and keeps them."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self.server.webhooks.put((body, dict(self.headers)))
            self.server.count += 1
            self.send_response(503 if self.server.count == 1 else 204)
            self.end_headers()

        def log_message(self, *_) -> None:
            pass

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.webhooks, self.count = queue.Queue(), 0
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def server_close(self) -> None:
        self.shutdown()
        super().server_close()


class Clients(unittest.TestCase):
    def setUp(self) -> None:
        self.receiver = self.enterContext(Receiver())
        self.notion = self.enterContext(Notion())
        self.server = self.enterContext(Server(
            AGENT_SERVER_EGRESS_ALLOW=f"{self.receiver.url},{self.notion.url}", WEBHOOK_SECRETS=f"default={WEBHOOK_KEY}",
        ))

    def session(self, method: str = "client_secret_basic") -> OAuth2Client:
        return session(self, self.server, method)

    def test_authlib_believes_the_metadata(self) -> None:
        answer = httpx.get(f"{self.server.url}/.well-known/oauth-authorization-server")
        metadata = AuthorizationServerMetadata(answer.json())
        metadata.validate_issuer = lambda: None  # it wants https, which a first run has not
        for check in ("validate_token_endpoint_auth_methods_supported", "validate_jwks_uri",
                      "validate_grant_types_supported", "validate_scopes_supported"):
            getattr(metadata, check)()
        self.assertEqual(metadata["issuer"], self.server.url)

    def test_authlib_gets_and_uses_a_token_by_each_method(self) -> None:
        for method in ("client_secret_basic", "client_secret_post"):
            with self.subTest(method):
                answer = self.session(method).get("/agents").raise_for_status()
                self.assertIn("data", answer.json())

    def test_pyjwt_verifies_a_token_by_the_published_keys(self) -> None:
        token = self.session().token["access_token"]
        keys = jwt.PyJWKClient(f"{self.server.url}/.well-known/jwks.json")
        key = keys.get_signing_key_from_jwt(token)
        claims = jwt.decode(
            token, key, algorithms=["EdDSA"], audience=self.server.url, issuer=self.server.url,
            options={"require": ["exp", "iat", "sub", "jti", "client_id"]},
        )
        self.assertEqual(claims["sub"], f"client:{self.server.client_id}")

    def test_httpx_sse_reads_a_run_and_resumes_it_at_every_event(self) -> None:
        session = self.session()
        whole = read(session, "POST", "/agents/demo/execute", json=ASK)
        run = f"/runs/{json.loads(whole[0].data)['run_id']}/events"
        stored = [event for event in whole if not event.event.endswith(".delta")]

        self.assertEqual(whole[-1].event, "run.finished")
        self.assertIn("tool.finished", [event.event for event in stored])
        for at, event in enumerate(stored[:-1]):
            rest = read(session, "GET", run, headers={"Last-Event-ID": event.id})
            seen = [it.id for it in rest if not it.event.endswith(".delta")]
            self.assertEqual(seen, [it.id for it in stored[at + 1 :]])

    def test_standardwebhooks_verifies_each_attempt(self) -> None:
        ask = {**ASK, "webhook": {"url": self.receiver.url}}
        run = self.session().post("/agents/demo/execute", json=ask).raise_for_status().json()

        attempts = [self.receiver.webhooks.get(timeout=30) for _ in range(2)]
        for body, headers in attempts:
            self.assertEqual(Webhook(WEBHOOK_KEY).verify(body, headers)["run"], run)
            with self.assertRaises(WebhookVerificationError):
                Webhook(WEBHOOK_KEY).verify(body + b" ", headers)
        first, second = (headers["webhook-id"] for _, headers in attempts)
        self.assertEqual(first, second)

    def test_the_openapi_document_is_one(self) -> None:
        document = httpx.get(f"{self.server.url}/openapi.json").json()
        OpenAPIV31SpecValidator(document).validate()

    def test_the_document_of_notion_becomes_tools_that_send_its_requests(self) -> None:
        session = self.session()
        secret = {"name": "notion", "value": "ntn_a_token_of_ours", "hosts": ["127.0.0.1"]}
        session.post("/secrets", json=secret).raise_for_status()
        ask = {"document": NOTION.read_text(), "server": self.notion.url, "dry_run": False,
               "auth": {"type": "bearer", "secret": "notion"}}

        dry = {**ask, "dry_run": True}
        shown = session.post("/tools/import/openapi", json=dry, timeout=60).raise_for_status().json()
        self.assertEqual(session.get("/tools/retrieve-a-page").status_code, 404)
        made = session.post("/tools/import/openapi", json=ask, timeout=60).raise_for_status().json()
        self.assertEqual([it["config"] for it in shown["data"]], [it["config"] for it in made["data"]])
        operations = [it for path in json.loads(NOTION.read_text())["paths"].values() for it in path.values()]
        self.assertEqual((made["skipped"], len(made["data"])), ([], len(operations)))
        calls = [
            ("retrieve-a-page", {"page_id": "a/b", "filter_properties": "x y"}),
            ("update-a-block", {"block_id": "7", "body": {"archived": True}}),
            ("query-data-source", {"data_source_id": "ö", "body": {"page_size": 5, "filter": {"and": []}}}),
            ("delete-a-block", {"block_id": "../users"}),
        ]
        for name, arguments in calls:
            answer = session.post(f"/tools/{name}/execute", json={"input": arguments})
            self.assertEqual(answer.status_code, 200, answer.text)
            self.assertNotIn(secret["value"], answer.text)
            self.assertIn("[secret:notion]", answer.text)
        (page, block, query, deleted) = self.notion.requests
        self.assertEqual(page[:2], ("GET", "/v1/pages/a%2Fb?filter_properties=x%20y"))
        self.assertEqual((block[:2], json.loads(block[3])), (("PATCH", "/v1/blocks/7"), {"archived": True}))
        self.assertEqual(query[:2], ("POST", "/v1/data_sources/%C3%B6/query"))
        self.assertEqual(json.loads(query[3]), {"page_size": 5, "filter": {"and": []}})
        self.assertEqual((deleted[:2], deleted[3]), (("DELETE", "/v1/blocks/..%2Fusers"), b""))
        for request in self.notion.requests:
            headers = {name.lower(): value for name, value in request[2].items()}
            self.assertEqual(headers["authorization"], f"Bearer {secret['value']}")
            self.assertIn("notion-version", headers)

    def test_prometheus_reads_the_metrics(self) -> None:
        text = httpx.get(f"{self.server.url}/metrics").text
        self.assertTrue(list(text_string_to_metric_families(text)))


def read(session: httpx.Client, method: str, path: str, **request) -> list:
    """All events of a stream, as httpx-sse reads them."""
    with connect_sse(session, method, path, **request) as source:
        return list(source.iter_sse())


if __name__ == "__main__":
    unittest.main(verbosity=2)
