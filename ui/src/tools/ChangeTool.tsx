import type { Tool } from "../api/types";
import { ChangeDefinition } from "../parts/Definition";
import { changeTool, toolDefinitionQuery } from "./queries";
import { TOOL } from "./ToolForm";

/** The editor of a tool, of a chunk that is loaded by who changes one: most only call it. */
export default function ChangeTool({ tool, mayChange }: { tool: Tool; mayChange: boolean }) {
  return (
    <ChangeDefinition
      kind={TOOL}
      current={tool}
      mayChange={mayChange}
      change={changeTool}
      queryKey={toolDefinitionQuery(tool.name).queryKey}
    />
  );
}
