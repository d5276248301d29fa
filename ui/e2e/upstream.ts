import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

const MODERN = "2026-07-28";

/** What a tool of it says of itself. */
export interface Said {
  name: string;
  description: string;
  inputSchema: Record<string, unknown>;
}

/** An MCP server of others, which says of its tools what a test tells it to, and answers each call with its name. */
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
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const it of request) chunks.push(it as Buffer);
    const { id, method, params } = JSON.parse(Buffer.concat(chunks).toString() || "{}");
    const result = results[method]?.(params);
    const answer = result ? { result } : { error: { code: -32601, message: "no such method" } };
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ jsonrpc: "2.0", id, ...answer }));
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
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
