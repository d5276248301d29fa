import type { IconName } from "../kit/icons";

/** A page that the navigation leads to. */
export interface Place {
  to:
    | "/"
    | "/agents"
    | "/workflows"
    | "/tools"
    | "/rag"
    | "/runs"
    | "/approvals"
    | "/mcp"
    | "/clients"
    | "/api"
    | "/secrets"
    | "/users"
    | "/keys"
    | "/audit"
    | "/settings";
  label: string;
  icon: IconName;
  /** Empty: it stands before all groups. */
  group: "" | "Build" | "Watch" | "Connect" | "Server";
  /** Any of these opens it; without any it is open to all. */
  scopes: readonly string[];
  /** After `g`. */
  key: string;
  /** It stands in the bar of narrow screens, which has room for four. */
  inBar?: boolean;
}

export const PLACES: readonly Place[] = [
  {
    to: "/",
    inBar: true,
    label: "Overview",
    icon: "layout-dashboard",
    group: "",
    scopes: [],
    key: "o",
  },
  {
    to: "/agents",
    inBar: true,
    label: "Agents",
    icon: "bot",
    group: "Build",
    scopes: ["agent.read", "agent.execute", "agent.write"],
    key: "a",
  },
  {
    to: "/workflows",
    label: "Workflows",
    icon: "workflow",
    group: "Build",
    scopes: ["workflow.read", "workflow.execute", "workflow.write"],
    key: "w",
  },
  {
    to: "/tools",
    label: "Tools",
    icon: "wrench",
    group: "Build",
    scopes: ["tool.read", "tool.execute", "tool.write"],
    key: "t",
  },
  {
    to: "/rag",
    label: "RAG databases",
    icon: "library",
    group: "Build",
    scopes: ["rag.read", "rag.write"],
    key: "r",
  },
  {
    to: "/runs",
    inBar: true,
    label: "Runs",
    icon: "list-tree",
    group: "Watch",
    scopes: ["run.read", "agent.execute", "tool.execute", "workflow.execute"],
    key: "u",
  },
  {
    to: "/approvals",
    inBar: true,
    label: "Approvals",
    icon: "stamp",
    group: "Watch",
    scopes: ["approval.read", "approval.decide"],
    key: "p",
  },
  {
    to: "/mcp",
    label: "MCP",
    icon: "plug",
    group: "Connect",
    scopes: ["mcp.access", "admin.read"],
    key: "m",
  },
  {
    to: "/clients",
    label: "Clients",
    icon: "key-round",
    group: "Connect",
    scopes: ["client.read"],
    key: "c",
  },
  {
    to: "/api",
    label: "API explorer",
    icon: "braces",
    group: "Connect",
    scopes: [],
    key: "x",
  },
  {
    to: "/secrets",
    label: "Secrets",
    icon: "lock",
    group: "Connect",
    scopes: ["secret.read", "secret.write"],
    key: "s",
  },
  {
    to: "/users",
    label: "Users",
    icon: "users",
    group: "Server",
    scopes: ["user.read", "user.write"],
    key: "e",
  },
  {
    to: "/keys",
    label: "Signing keys",
    icon: "key",
    group: "Server",
    scopes: ["key.read"],
    key: "k",
  },
  {
    to: "/audit",
    label: "Audit log",
    icon: "scroll-text",
    group: "Server",
    scopes: ["audit.read"],
    key: "l",
  },
  {
    to: "/settings",
    label: "Settings",
    icon: "settings",
    group: "Server",
    scopes: ["admin.read"],
    key: ",",
  },
];

/** The pages for whoever holds these scopes: what he may not see is not listed. */
export const placesFor = (scopes: readonly string[], places = PLACES) =>
  places.filter((place) => place.scopes.length === 0 || place.scopes.some((it) => scopes.includes(it)));

/** The same in their groups, in order, without empty ones. */
export function grouped(places: readonly Place[]): [group: string, places: Place[]][] {
  const groups = new Map<string, Place[]>();
  for (const place of places) groups.set(place.group, [...(groups.get(place.group) ?? []), place]);
  return [...groups];
}

/** Pages whose part of the API has another name. */
const TAGS: Record<string, string> = {
  clients: "oauth",
  keys: "oauth",
  simulator: "oauth",
  settings: "operations",
};

/** The part of the documentation of the API that the page at this path is about. */
export function docsFor(path: string): string {
  const page = path.split("/").find((it) => it !== "" && it !== "ui") ?? "";
  return page && page !== "api" ? `/docs#tag-${TAGS[page] ?? page}` : "/docs";
}
