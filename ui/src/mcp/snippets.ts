/** Clients that are known, in the order of their tabs. */
export const CLIENTS = ["Claude Code", "Claude Desktop", "Cursor", "VS Code", "Inspector", "curl"] as const;
export type Client = (typeof CLIENTS)[number];

export interface Snippet {
  /** Where it goes, or what to do with it. */
  how: string;
  code: string;
  isJson: boolean;
}

const MODERN = "2026-07-28";

/** How `client` is told of the server at `base`, which it shows as `name`. */
export function connect(client: Client, base: string, name: string): Snippet {
  const id =
    name
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, "-")
      .replace(/^-|-$/g, "") || "agent-server";
  const url = `${base}/mcp`;
  const json = (how: string, value: unknown) => ({
    how,
    code: `${JSON.stringify(value, null, 2)}\n`,
    isJson: true,
  });
  const text = (how: string, code: string) => ({ how, code, isJson: false });
  switch (client) {
    case "Claude Code":
      return text(
        "In a shell. It signs in by the browser when it is first used: /mcp in a session shows how it stands.",
        `claude mcp add --transport http ${id} ${url}\n`,
      );
    case "Claude Desktop":
      return json(
        "In claude_desktop_config.json. It starts our own program, which passes everything on; the client is one of yours, with client credentials. An https address can also be added as a connector in its settings, without a file.",
        {
          mcpServers: {
            [id]: {
              command: "agent-server",
              args: ["mcp", "--url", base],
              env: { MANAGEMENT_CLIENT_ID: "<client id>", MANAGEMENT_CLIENT_SECRET: "<client secret>" },
            },
          },
        },
      );
    case "Cursor":
      return json("In .cursor/mcp.json of a project, or ~/.cursor/mcp.json. It signs in by the browser.", {
        mcpServers: { [id]: { url } },
      });
    case "VS Code":
      return json("In .vscode/mcp.json of a project. It signs in by the browser.", {
        servers: { [id]: { type: "http", url } },
      });
    case "Inspector":
      return text(
        "In a shell; choose Streamable HTTP in the page that opens, and put the address in.",
        `npx @modelcontextprotocol/inspector\n# ${url}\n`,
      );
    default:
      return text(
        "A token for this address alone, then the list of tools in the revision without sessions.",
        `TOKEN=$(curl -s -u "$CLIENT_ID:$CLIENT_SECRET" ${base}/oauth/token \\
  -d grant_type=client_credentials -d resource=${url} | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')

curl -s ${url} \\
  -H "Authorization: Bearer $TOKEN" \\
  -H "Content-Type: application/json" -H "Accept: application/json, text/event-stream" \\
  -H "MCP-Protocol-Version: ${MODERN}" -H "Mcp-Method: tools/list" \\
  -d '${JSON.stringify(message("tools/list", {}))}'
`,
      );
  }
}

/** A message of the revision without sessions. */
export const message = (method: string, params: Record<string, unknown>) => ({
  jsonrpc: "2.0",
  id: 1,
  method,
  params: {
    ...params,
    _meta: {
      "io.modelcontextprotocol/protocolVersion": MODERN,
      "io.modelcontextprotocol/clientCapabilities": {},
      "io.modelcontextprotocol/clientInfo": { name: "curl", version: "8" },
    },
  },
});
