import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

const MODERN = "2026-07-28";

/** What a tool of it says of itself. */
export interface Said {
  name: string;
  description: string;
  inputSchema: Record<string, unknown>;
}

/**
 * An MCP server of others, which says of its tools what a test tells it to, and answers each call with its name. At the
 * same place is an authorization server, where everybody agrees to everything, and `/held`, which never answers.
 */
export interface Upstream {
  origin: string;
  url: string;
  says: (tools: readonly Said[]) => void;
  end: () => void;
}

export const tool = (name: string, description: string, properties: object = {}): Said => ({
  name,
  description,
  inputSchema: { type: "object", properties },
});

export async function upstream(): Promise<Upstream> {
  let tools: readonly Said[] = [];
  const results: Record<string, (params: { name?: string }) => unknown> = {
    "server/discover": () => ({
      resultType: "complete",
      supportedVersions: [MODERN],
      capabilities: { tools: {} },
    }),
    "tools/list": () => ({ resultType: "complete", tools }),
    "tools/call": ({ name }) => ({
      resultType: "complete",
      content: [{ type: "text", text: `${name} was called` }],
    }),
  };
  let origin = "http://127.0.0.1";
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const it of request) chunks.push(it as Buffer);
    const asked = new URL(request.url ?? "/", origin);
    if (asked.pathname === "/held") return;
    if (asked.pathname !== "/mcp") return authorize(asked, origin, response);
    const { id, method, params } = JSON.parse(Buffer.concat(chunks).toString() || "{}");
    const result = results[method]?.(params);
    const answer = result ? { result } : { error: { code: -32601, message: "no such method" } };
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ jsonrpc: "2.0", id, ...answer }));
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    origin,
    url: `${origin}/mcp`,
    says: (now) => {
      tools = now;
    },
    end: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function authorize({ pathname, searchParams }: URL, issuer: string, response: ServerResponse) {
  if (pathname === "/authorize") {
    const back = new URL(searchParams.get("redirect_uri") ?? issuer);
    back.search = new URLSearchParams({
      code: "code",
      state: searchParams.get("state") ?? "",
      iss: issuer,
    }).toString();
    response.writeHead(302, { location: back.href }).end();
    return;
  }
  const answers: Record<string, object> = {
    "/.well-known/oauth-authorization-server": {
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      code_challenge_methods_supported: ["S256"],
      authorization_response_iss_parameter_supported: true,
    },
    "/token": { access_token: "at", token_type: "bearer", expires_in: 3600, scope: "issues.read" },
  };
  const answer = answers[pathname];
  response.writeHead(answer ? 200 : 404, { "content-type": "application/json" });
  response.end(JSON.stringify(answer ?? {}));
}
