"""People sign in by an OpenID provider that others wrote: the npm package `oidc-provider`."""

import shutil
import subprocess
import sys
import unittest
from pathlib import Path
from urllib.parse import urljoin

import httpx
from forms import Forms
from harness import Server
from harness import free_port

NPM = Path(sys.argv.pop(1)).resolve()
SECRET = "a secret: 100 % of a test, with all that is odd+"


class External(unittest.TestCase):
    def setUp(self) -> None:
        port = free_port()
        self.issuer = f"http://127.0.0.1:{port}"
        self.server = self.enterContext(
            Server(
                OIDC_ISSUER=self.issuer, OIDC_CLIENT_ID="agents", OIDC_CLIENT_SECRET=SECRET, OIDC_CREATE_USERS="yes",
                OIDC_SCOPES="openid email profile groups", OIDC_ROLES="maria=operator, boss=owner",
                AGENT_SERVER_EGRESS_ALLOW=self.issuer,
            )
        )
        script = NPM / "provider.mjs"
        shutil.copy(Path(__file__).with_name("provider.mjs"), script)
        back = f"{self.server.url}/sign-in/external/callback"
        command = [NPM / "node_modules/.bin/node", script, str(port), back, SECRET]
        self.provider = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(self.provider.stdout.close)
        self.addCleanup(self.provider.wait)
        self.addCleanup(self.provider.terminate)
        while self.provider.stdout.readline().strip() != "ready":
            self.assertIsNone(self.provider.poll())

    def sign_in(self, name: str) -> httpx.Response:
        """What a person sees in the end who signs in at the provider by this name."""
        browser = self.enterContext(httpx.Client(follow_redirects=True))
        self.assertIn("/sign-in/external", browser.get(f"{self.server.url}/sign-in").text)
        page = browser.get(f"{self.server.url}/sign-in/external")
        while str(page.url).startswith(self.issuer):
            action, members = Forms(page.text).found[0]
            if members["prompt"] == "login":
                members |= {"login": name, "password": "any"}
            page = browser.post(urljoin(str(page.url), action), data=members)
        return page

    def test_somebody_comes_in_as_what_his_group_may_do(self) -> None:
        for _ in range(2):
            page = self.sign_in("maria")
            self.assertIn('You are <b class="strong">maria@fjord.example</b> here', page.text)
        self.assertIn('You are <b class="strong">boss@fjord.example</b> here', self.sign_in("boss").text)
        refused = self.sign_in("stranger")
        self.assertEqual(refused.status_code, 403)
        self.assertIn("None of your groups may come in.", refused.text)


if __name__ == "__main__":
    unittest.main()
