import type { QueryClient } from "@tanstack/react-query";
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
} from "@tanstack/react-router";
import { agentSearch, newAgentSearch } from "./agents/search";
import { PATH } from "./api/client";
import { meQuery } from "./api/me";
import { approvalsSearch } from "./approvals/search";
import { explorerSearch } from "./explorer/search";
import { parseSearch, stringifySearch } from "./kit/search";
import { mcpSearch, upstreamSearch } from "./mcp/search";
import { auditSearch, simulatorSearch, usersSearch } from "./oauth/search";
import { overviewSearch } from "./overview/search";
import { databaseSearch, documentSearch } from "./rag/search";
import { runSearch, runsSearch } from "./runs/search";
import { ErrorPage, NotFoundPage } from "./shell/ErrorPage";
import { Shell } from "./shell/Shell";
import { newToolSearch, toolSearch } from "./tools/search";
import { newWorkflowSearch, workflowSearch } from "./workflows/search";

// Every page and its path, in one table. A page is loaded when it is gone to.

const root = createRootRouteWithContext<{ queryClient: QueryClient }>()({
  loader: ({ context }) => context.queryClient.ensureQueryData(meQuery),
  component: Shell,
  errorComponent: ErrorPage,
  notFoundComponent: NotFoundPage,
});
const under = { getParentRoute: () => root };

const home = createRoute({
  ...under,
  path: "/",
  validateSearch: overviewSearch,
  component: lazyRouteComponent(() => import("./overview/OverviewPage"), "OverviewPage"),
});
const agents = createRoute({
  ...under,
  path: "/agents",
  component: lazyRouteComponent(() => import("./agents/AgentsPage"), "AgentsPage"),
});
const newAgent = createRoute({
  ...under,
  path: "/agents/new",
  validateSearch: newAgentSearch,
  component: lazyRouteComponent(() => import("./agents/NewAgentPage"), "NewAgentPage"),
});
const agent = createRoute({
  ...under,
  path: "/agents/$name",
  validateSearch: agentSearch,
  component: lazyRouteComponent(() => import("./agents/AgentPage"), "AgentPage"),
});
const tools = createRoute({
  ...under,
  path: "/tools",
  component: lazyRouteComponent(() => import("./tools/ToolsPage"), "ToolsPage"),
});
const newTool = createRoute({
  ...under,
  path: "/tools/new",
  validateSearch: newToolSearch,
  component: lazyRouteComponent(() => import("./tools/NewToolPage"), "NewToolPage"),
});
const importTools = createRoute({
  ...under,
  path: "/tools/import",
  component: lazyRouteComponent(() => import("./tools/ImportPage"), "ImportPage"),
});
const tool = createRoute({
  ...under,
  path: "/tools/$name",
  validateSearch: toolSearch,
  component: lazyRouteComponent(() => import("./tools/ToolPage"), "ToolPage"),
});
const workflows = createRoute({
  ...under,
  path: "/workflows",
  component: lazyRouteComponent(() => import("./workflows/WorkflowsPage"), "WorkflowsPage"),
});
const newWorkflow = createRoute({
  ...under,
  path: "/workflows/new",
  validateSearch: newWorkflowSearch,
  component: lazyRouteComponent(() => import("./workflows/NewWorkflowPage"), "NewWorkflowPage"),
});
const workflow = createRoute({
  ...under,
  path: "/workflows/$workflowId",
  validateSearch: workflowSearch,
  component: lazyRouteComponent(() => import("./workflows/WorkflowPage"), "WorkflowPage"),
});
const runs = createRoute({
  ...under,
  path: "/runs",
  validateSearch: runsSearch,
  component: lazyRouteComponent(() => import("./runs/RunsPage"), "RunsPage"),
});
const run = createRoute({
  ...under,
  path: "/runs/$id",
  validateSearch: runSearch,
  component: lazyRouteComponent(() => import("./runs/RunPage"), "RunPage"),
});
const approvals = createRoute({
  ...under,
  path: "/approvals",
  validateSearch: approvalsSearch,
  component: lazyRouteComponent(() => import("./approvals/ApprovalsPage"), "ApprovalsPage"),
});
const databases = createRoute({
  ...under,
  path: "/rag",
  component: lazyRouteComponent(() => import("./rag/DatabasesPage"), "DatabasesPage"),
});
const database = createRoute({
  ...under,
  path: "/rag/$name",
  validateSearch: databaseSearch,
  component: lazyRouteComponent(() => import("./rag/DatabasePage"), "DatabasePage"),
});
const document = createRoute({
  ...under,
  path: "/rag/$name/$document",
  validateSearch: documentSearch,
  component: lazyRouteComponent(() => import("./rag/DocumentPage"), "DocumentPage"),
});
const mcp = createRoute({
  ...under,
  path: "/mcp",
  validateSearch: mcpSearch,
  component: lazyRouteComponent(() => import("./mcp/McpPage"), "McpPage"),
});
const newUpstream = createRoute({
  ...under,
  path: "/mcp/upstreams/new",
  component: lazyRouteComponent(() => import("./mcp/NewUpstreamPage"), "NewUpstreamPage"),
});
const upstream = createRoute({
  ...under,
  path: "/mcp/upstreams/$name",
  validateSearch: upstreamSearch,
  component: lazyRouteComponent(() => import("./mcp/UpstreamPage"), "UpstreamPage"),
});
const clients = createRoute({
  ...under,
  path: "/clients",
  component: lazyRouteComponent(() => import("./oauth/ClientsPage"), "ClientsPage"),
});
const simulator = createRoute({
  ...under,
  path: "/clients/try",
  validateSearch: simulatorSearch,
  component: lazyRouteComponent(() => import("./oauth/SimulatorPage"), "SimulatorPage"),
});
const client = createRoute({
  ...under,
  path: "/clients/$id",
  component: lazyRouteComponent(() => import("./oauth/ClientPage"), "ClientPage"),
});
const explorer = createRoute({
  ...under,
  path: "/api",
  validateSearch: explorerSearch,
  component: lazyRouteComponent(() => import("./explorer/ExplorerPage"), "ExplorerPage"),
});
const secrets = createRoute({
  ...under,
  path: "/secrets",
  component: lazyRouteComponent(() => import("./secrets/SecretsPage"), "SecretsPage"),
});
const users = createRoute({
  ...under,
  path: "/users",
  validateSearch: usersSearch,
  component: lazyRouteComponent(() => import("./oauth/UsersPage"), "UsersPage"),
});
const keys = createRoute({
  ...under,
  path: "/keys",
  component: lazyRouteComponent(() => import("./oauth/KeysPage"), "KeysPage"),
});
const settings = createRoute({
  ...under,
  path: "/settings",
  component: lazyRouteComponent(() => import("./settings/SettingsPage"), "SettingsPage"),
});
const audit = createRoute({
  ...under,
  path: "/audit",
  validateSearch: auditSearch,
  component: lazyRouteComponent(() => import("./oauth/AuditPage"), "AuditPage"),
});
const more = createRoute({
  ...under,
  path: "/more",
  component: lazyRouteComponent(() => import("./shell/MorePage"), "MorePage"),
});

export const routerOf = (queryClient: QueryClient) =>
  createRouter({
    routeTree: root.addChildren([
      home,
      agents,
      newAgent,
      agent,
      tools,
      newTool,
      importTools,
      tool,
      workflows,
      newWorkflow,
      workflow,
      databases,
      database,
      document,
      runs,
      run,
      approvals,
      mcp,
      newUpstream,
      upstream,
      clients,
      simulator,
      client,
      explorer,
      secrets,
      users,
      keys,
      audit,
      settings,
      more,
    ]),
    basepath: `${PATH}/ui`,
    context: { queryClient },
    parseSearch,
    stringifySearch,
    defaultPreload: "intent",
    scrollRestoration: true,
    defaultErrorComponent: ErrorPage,
    defaultNotFoundComponent: NotFoundPage,
  });
