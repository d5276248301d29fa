"""People sign in, and clients act for them, with the OAuth libraries of Python and JavaScript."""

import subprocess
import sys
import unittest
from pathlib import Path
from urllib.parse import urljoin

import httpx
from authlib.common.security import generate_token
from authlib.integrations.httpx_client import OAuth2Client
from forms import Forms
from harness import Server

NPM = Path(sys.argv.pop(1)).resolve()
BACK = "http://127.0.0.1:8999/cb"
PASSWORD = "correct horse battery staple"


class Browser:
    """What a person does in a browser: he signs in and agrees."""

    def __init__(self, server: Server) -> None:
        self.http = httpx.Client()
        self.origin = server.url

    def go(self, url: str) -> str:
        """Follows a URL until it leads back to the client, and says where to."""
        reply = self.http.get(url)
        while not (to := reply.headers.get("location", "")).startswith(BACK):
            if to:
                reply = self.http.get(urljoin(self.origin, to))
                continue
            assert reply.status_code == 200, reply.text
            action, members = Forms(reply.text).found[0]
            if action == "/sign-in":
                members |= {"username": "maria", "password": PASSWORD}
            else:
                members |= {"decision": "allow"}
            reply = self.http.post(urljoin(self.origin, action), data=members, headers={"origin": self.origin})
        return to


class People(unittest.TestCase):
    def setUp(self) -> None:
        self.server = self.enterContext(Server())
        with OAuth2Client(self.server.client_id, self.server.client_secret) as admin:
            admin.fetch_token(f"{self.server.url}/oauth/token", grant_type="client_credentials")
            user = {"username": "maria", "role": "operator", "password": PASSWORD}
            self.assertEqual(admin.post(f"{self.server.url}/users", json=user).status_code, 201)
            client = {
                "client_name": "Editor", "redirect_uris": [BACK], "token_endpoint_auth_method": "none",
                "grant_types": ["authorization_code", "refresh_token"], "scope": "agent.read agent.execute",
            }
            self.client_id = admin.post(f"{self.server.url}/oauth/register", json=client).json()["client_id"]
        self.browser = Browser(self.server)
        self.addCleanup(self.browser.http.close)

    def test_authlib_acts_for_a_person_and_goes_on_with_refresh_tokens(self) -> None:
        verifier = generate_token(48)
        metadata = httpx.get(f"{self.server.url}/.well-known/oauth-authorization-server").json()
        with OAuth2Client(
            self.client_id, redirect_uri=BACK, scope="agent.read", code_challenge_method="S256",
            token_endpoint_auth_method="none", revocation_endpoint_auth_method="none",
            token_endpoint=metadata["token_endpoint"],
        ) as client:
            url, state = client.create_authorization_url(metadata["authorization_endpoint"], code_verifier=verifier)
            back = self.browser.go(url)
            first = client.fetch_token(authorization_response=back, state=state, code_verifier=verifier)
            self.assertEqual(client.get(f"{self.server.url}/agents").status_code, 200)
            second = client.refresh_token(metadata["token_endpoint"], refresh_token=first["refresh_token"])
            self.assertNotEqual(second["refresh_token"], first["refresh_token"])
            self.assertEqual(client.get(f"{self.server.url}/agents").status_code, 200)
            revoked = client.revoke_token(metadata["revocation_endpoint"], second["refresh_token"], "refresh_token")
            self.assertEqual(revoked.status_code, 200, revoked.text)
            bearer = {"authorization": f"Bearer {second['access_token']}"}
            self.assertEqual(httpx.get(f"{self.server.url}/agents", headers=bearer).status_code, 401)

    def test_openid_client_oauth4webapi_and_jose_act_for_a_person(self) -> None:
        script = NPM / "people.mjs"
        script.write_text((Path(__file__).parent / "people.mjs").read_text())
        command = [NPM / "node_modules/.bin/node", script, self.server.url, self.client_id, BACK]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as node:
            for line in node.stdout:
                if line.strip() == "done":
                    break
                node.stdin.write(self.browser.go(line.strip()) + "\n")
                node.stdin.flush()
            node.stdin.close()
        self.assertEqual(node.returncode, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
