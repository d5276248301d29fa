// An assistant that somebody connects to the server in his browser: a client of the SDK of MCP with the OAuth that it brings, and
// Chromium. The argument is JSON: the URL of the server (`base`), the generation of the SDK (`sdk`), how the client comes by its id
// (`how`: it registers, `open` or by a `token`, or is described by a `document`), the person, the scope of a call that takes
// more (`more`), and the place of the assistant: a `port` and a file with its `certificate`.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { chromium } from "playwright-core";

const { base, sdk, how, token, username, password, more, port, certificate } = JSON.parse(process.argv[2]);

async function load() {
  if (sdk === 2) return import("@modelcontextprotocol/client");
  const names = ["index", "streamableHttp", "auth"];
  const parts = await Promise.all(names.map((name) => import(`@modelcontextprotocol/sdk/client/${name}.js`)));
  return Object.assign({}, ...parts);
}
const { Client, StreamableHTTPClientTransport, UnauthorizedError } = await load();

const place = `https://127.0.0.1:${port}`;
const metadata = {
  client_name: "Assistant",
  client_uri: place,
  redirect_uris: [`${place}/callback`],
  grant_types: ["authorization_code", "refresh_token"],
  response_types: ["code"],
  token_endpoint_auth_method: "none",
};

// What the assistant is on the web: a document that describes it, and the page to which a browser comes back.
const pem = readFileSync(certificate);
const web = createServer({ key: pem, cert: pem }, (request, response) => {
  if (request.url === "/client.json") {
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ ...metadata, client_id: `${place}/client.json` }));
    return;
  }
  response.writeHead(200, { "content-type": "text/html" }).end("<h1>Thank you</h1>");
});
await new Promise((done) => web.listen(port, "127.0.0.1", done));

const browser = await chromium.launch({
  executablePath: process.env.BROWSER,
  args: ["--disable-gpu", "--disable-background-networking", ...(process.getuid() === 0 ? ["--no-sandbox"] : [])],
});
const context = await browser.newContext({ ignoreHTTPSErrors: true });
const page = await context.newPage();
const faults = [];
page.on("pageerror", (error) => faults.push(error.message));
page.on("console", (line) => line.type() === "error" && faults.push(line.text()));

// What the person saw on the way.
const seen = [];
async function browse(url, decision) {
  await page.goto(String(url));
  if (new URL(page.url()).pathname === "/sign-in") {
    seen.push("sign-in");
    await page.getByLabel("Name").fill(username);
    await page.getByLabel("Password").fill(password);
    await page.getByRole("button", { name: "Sign in" }).click();
  }
  await page.getByRole("heading", { name: "act for you" }).waitFor();
  seen.push(await page.locator("main").innerText());
  await page.getByRole("button", { name: decision }).click();
  await page.getByRole("heading", { name: "Thank you" }).waitFor();
  return new URL(page.url()).searchParams;
}

// What the SDK wants to be kept, and where it sent the person.
const kept = { visits: [] };
const provider = {
  redirectUrl: metadata.redirect_uris[0],
  clientMetadata: metadata,
  clientMetadataUrl: how === "document" ? `${place}/client.json` : undefined,
  state: () => (kept.state = crypto.randomUUID()),
  clientInformation: () => kept.client,
  saveClientInformation: (client) => void (kept.client = client),
  tokens: () => kept.tokens,
  saveTokens: (tokens) => void (kept.tokens = tokens),
  redirectToAuthorization: (url) => void kept.visits.push(url),
  saveCodeVerifier: (verifier) => void (kept.verifier = verifier),
  codeVerifier: () => kept.verifier,
  saveDiscoveryState: (state) => void (kept.discovery = state),
  discoveryState: () => kept.discovery,
  invalidateCredentials: (which) => {
    if (which === "all" || which === "client") kept.client = undefined;
    if (which === "all" || which === "tokens") kept.tokens = undefined;
  },
};

function transport() {
  const withToken = (url, init) => {
    const headers = new Headers(init?.headers);
    if (token && new URL(url).pathname === "/oauth/register") headers.set("authorization", `Bearer ${token}`);
    return fetch(url, { ...init, headers });
  };
  return new StreamableHTTPClientTransport(new URL(`${base}/mcp`), { authProvider: provider, fetch: withToken });
}

async function finish(transport, decision = "Allow") {
  const back = await browse(kept.visits.at(-1), decision);
  assert.equal(back.get("state"), kept.state);
  assert.equal(back.get("iss"), base);
  await (sdk === 2 ? transport.finishAuth(back) : transport.finishAuth(back.get("code")));
}

const text = (result) => result.content[0].text;

try {
  // From the answer 401 to the metadata, the id of the client, and the person, who says no first.
  const options = sdk === 2 ? { versionNegotiation: { mode: "auto" } } : {};
  const connect = async (transport) => {
    const client = new Client({ name: "assistant", version: "1" }, options);
    await client.connect(transport);
    return client;
  };
  let way = transport();
  await assert.rejects(connect(way), UnauthorizedError);
  const asked = kept.visits[0].searchParams;
  assert.equal(asked.get("resource"), `${base}/mcp`);
  assert.equal(asked.get("code_challenge_method"), "S256");
  if (sdk === 2) {
    await assert.rejects(finish(way, "Refuse"), /access_denied|denied|refused/i);
    assert.equal(kept.tokens, undefined);
    way = transport();
    await assert.rejects(connect(way), UnauthorizedError);
  }
  await finish(way);
  assert.equal(seen.filter((it) => it === "sign-in").length, 1);
  const consent = seen.at(-1);
  const origins = { document: /It says of itself at 127\.0\.0\.1:?\d* what it is/, open: /It registered itself/, token: /^(?!.*itself)/s };
  assert.match(consent, origins[how]);
  assert.match(consent, /tool\.execute/);
  assert.doesNotMatch(consent, new RegExp(more));
  if (how === "document") assert.equal(kept.client.client_id, `${place}/client.json`);

  const client = await connect(transport());
  const listed = (await client.listTools()).tools.map((tool) => tool.name);
  assert.ok(listed.includes("greet") && listed.includes("ask_demo"), listed);
  assert.ok(!listed.includes("refund"), listed);
  assert.equal(text(await client.callTool({ name: "greet", arguments: {} })), "hello");

  // A token that is over is refreshed unseen, and the refresh token is another each time.
  const [before, visits] = [kept.tokens, kept.visits.length];
  kept.tokens = { ...before, access_token: "over" };
  assert.equal(text(await client.callTool({ name: "greet", arguments: {} })), "hello");
  assert.notEqual(kept.tokens.refresh_token, before.refresh_token);
  assert.equal(kept.visits.length, visits);

  // A call that takes more: the person is asked again, and not to sign in.
  const pages = seen.length;
  // The first generation refreshes instead, as long as it can, which gives no more than before.
  if (sdk === 1) delete kept.tokens.refresh_token;
  const step = client.transport;
  await assert.rejects(client.callTool({ name: "refund", arguments: {} }), UnauthorizedError);
  const wanted = kept.visits.at(-1).searchParams.get("scope").split(" ");
  assert.ok(wanted.includes(more), wanted);
  await finish(step);
  assert.equal(seen.length, pages + 1);
  assert.match(seen.at(-1), new RegExp(more));
  assert.equal(text(await client.callTool({ name: "refund", arguments: {} })), "refunded");
  assert.equal(text(await client.callTool({ name: "greet", arguments: {} })), "hello");
  await client.close();
  assert.deepEqual(faults, []);
  console.log("done");
} finally {
  await browser.close();
  web.close();
  web.closeAllConnections();
}
