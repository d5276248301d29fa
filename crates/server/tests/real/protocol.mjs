// Speaks MCP with the server by an SDK of TypeScript. Standard input is JSON: the generation of the SDK (`sdk`), how it comes to a
// revision (`mode`) and to which (`version`), the `way` there (`http` with `token`, or `stdio` by `bridge`), a token for the API
// (`admin`), the `name` of a tool that is to be made, and the `gate` that holds the agent `clerk` up.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

const { base, sdk, mode, version, way, token, bridge, admin, name, refund, gate } = JSON.parse(readFileSync(0, "utf8"));

async function load() {
  if (sdk === 2) {
    const parts = await Promise.all([import("@modelcontextprotocol/client"), import("@modelcontextprotocol/client/stdio")]);
    return Object.assign({}, ...parts);
  }
  const names = ["index", "streamableHttp", "stdio"];
  const parts = await Promise.all(names.map((name) => import(`@modelcontextprotocol/sdk/client/${name}.js`)));
  return Object.assign({}, ...parts);
}
const { Client, StreamableHTTPClientTransport, StdioClientTransport } = await load();

async function api(method, path, body) {
  const headers = { authorization: `Bearer ${admin}`, "content-type": "application/json" };
  const answer = await fetch(base + path, { method, headers, body: body && JSON.stringify(body) });
  assert.ok(answer.ok, await answer.clone().text());
  return answer.json();
}

async function eventually(holds) {
  const end = Date.now() + 30_000;
  while (!(await holds())) {
    assert.ok(Date.now() < end, String(holds));
    await new Promise((done) => setTimeout(done, 50));
  }
}

// How the latest call of `wait` is.
async function waiting() {
  const { data } = await api("GET", "/runs?kind=tool");
  return data.find((run) => run.definition.name === "wait")?.status;
}

const changes = [];
const onChanged = (error, tools) => changes.push(error ?? tools);
const client = new Client(
  { name: "test", version: "1" },
  { versionNegotiation: { mode }, listChanged: { tools: { onChanged, debounceMs: 0 } } },
);
const transport =
  way === "http"
    ? new StreamableHTTPClientTransport(new URL(`${base}/mcp`), { requestInit: { headers: { authorization: `Bearer ${token}` } } })
    : new StdioClientTransport(bridge);
await client.connect(transport);

assert.equal(client.getInstructions(), "Be kind.");
if (sdk === 2) assert.equal(client.getNegotiatedProtocolVersion(), version);

const tools = (await client.listTools()).tools.map((tool) => tool.name);
for (const name of ["echo", "seven", "wait", "ask_demo", "search_handbook"]) assert.ok(tools.includes(name), name);
for (const name of ["refund", "letter", "note"]) assert.ok(!tools.includes(name), name);

const call = (name, args = {}, options) =>
  sdk === 2 ? client.callTool({ name, arguments: args }, options) : client.callTool({ name, arguments: args }, undefined, options);
assert.equal((await call("echo", { text: "ö" })).content[0].text, "echo: ö");
assert.deepEqual((await call("seven")).structuredContent, { number: 7 });
assert.equal((await call("echo", { text: 7 })).isError, true);

const steps = [];
// The agent goes on when it was heard.
const onprogress = (it) => steps.push(it.progress) === 1 && fetch(`${gate}/go`);
const answer = await call("ask_clerk", { input: "use tool hold with {}" }, { onprogress });
assert.ok(answer.content[0].text);
assert.ok(steps.length > 0 && steps.every((step, at) => at === 0 || step > steps[at - 1]), String(steps));
const run = await client.readResource({ uri: `run://${answer._meta["agent-server/run_id"]}` });
assert.equal(JSON.parse(run.contents[0].text).status, "succeeded");
assert.ok((await call("search_handbook", { query: "When are refunds paid?" })).content[0].text.includes(refund));

const uris = (await client.listResources()).resources.map((it) => it.uri);
assert.ok(uris.includes("agent://demo") && uris.includes("rag://handbook"), String(uris));
const templates = (await client.listResourceTemplates()).resourceTemplates.map((it) => it.uriTemplate);
assert.ok(templates.includes("note://{id}/text"), String(templates));
assert.equal((await client.readResource({ uri: "note://7/text" })).contents[0].text, "note 7");
assert.deepEqual((await client.listPrompts()).prompts.map((it) => it.name), ["letter"]);
const prompt = await client.getPrompt({ name: "letter", arguments: { to: "Ada" } });
assert.equal(prompt.messages[0].content.text, "Write to Ada.");

// Given up while it is at work: what it had begun is canceled.
const controller = new AbortController();
const given = assert.rejects(call("wait", {}, { signal: controller.signal }));
await eventually(async () => (await waiting()) === "running");
controller.abort("not wanted any more");
await given;
await eventually(async () => (await waiting()) === "canceled");

await assert.rejects(call("refund"));
assert.equal((await call("echo", { text: "still" })).content[0].text, "echo: still");

const made = { name, description: "Of a test.", kind: "static", input_schema: { type: "object" }, config: { result: 1 } };
await api("POST", "/tools/definitions", made);
await eventually(() => changes.some((tools) => Array.isArray(tools) && tools.some((tool) => tool.name === name)));
await client.close();
console.log("done");
