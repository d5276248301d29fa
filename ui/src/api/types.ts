import type { components } from "./schema";

type Schemas = components["schemas"];

export type Me = Schemas["Me"];
export type Status = Schemas["Status"];
export type Run = Schemas["Run"];
export type RunSummary = Schemas["RunSummary"];
export type Tree = Schemas["Tree"];
export type Span = Schemas["Span"];
export type Usage = Schemas["Usage"];
export type WaitingFor = Schemas["WaitingFor"];
export type Approval = Schemas["ShownApproval"];
export type Decision = Schemas["DecisionWord"];
export type Citation = Schemas["Citation"];
export type AgentSummary = Schemas["AgentSummary"];
export type Agent = Schemas["Agent"];
export type NewAgent = Schemas["NewAgent"];
export type AgentContent = Schemas["AgentContent"];
export type Tool = Schemas["ToolDefinition"];
export type ToolContent = Schemas["ToolContent"];
export type ToolSummary = Schemas["ToolSummary"];
export type NewTool = Schemas["NewTool"];
export type WorkflowSummary = Schemas["WorkflowSummary"];
export type Workflow = Schemas["Workflow"];
export type WorkflowContent = Schemas["WorkflowContent"];
export type WorkflowInterface = Schemas["WorkflowInterface"];
export type TriggerState = Schemas["TriggerState"];
export type Firing = Schemas["Firing"];
export type NewWorkflow = Schemas["NewWorkflow"];
export type Invalid = Schemas["Invalid"];
export type DefinitionVersion = Schemas["DefinitionVersion"];
export type Model = Schemas["Model"];
export type ModelOptions = Schemas["ModelOptions"];
export type Stats = Schemas["Stats"];
export type StatsFigures = Schemas["StatsFigures"];
export type Thread = Schemas["Thread"];
export type ThreadMessage = Schemas["ThreadMessage"];
export type Part = Schemas["Part"];

/** One event of a run (API, section 8). */
export interface RunEvent {
  seq: number;
  type: string;
  run_id: string;
  at: string;
  // Readers ignore members that they do not know, and take those that they know for what they are.
  data: Record<string, unknown>;
}
