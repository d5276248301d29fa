import type { Invalid } from "../api/types";
import { plural } from "../kit/format";
import { Tag } from "../kit/Marks";
import { FaultList, Note } from "../kit/Messages";

interface State {
  is_active: boolean;
  source: string;
  problems?: readonly Invalid[] | undefined;
}

/** Whether a definition can be executed. */
export function DefinitionState({ it }: { it: State }) {
  if (it.problems && it.problems.length > 0) {
    return (
      <Tag look="bad" icon="octagon-x">
        {plural(it.problems.length, "problem")}
      </Tag>
    );
  }
  if (!it.is_active) return <Tag look="line">inactive</Tag>;
  return it.source === "code" ? <Tag look="line">in code</Tag> : <Tag look="ok">active</Tag>;
}

/** Why a definition cannot be executed as it is. */
export function Problems({ problems }: { problems: readonly Invalid[] }) {
  if (problems.length === 0) return null;
  return (
    <div style={{ padding: "12px var(--gutter) 0" }}>
      <Note look="bad" title="It cannot be executed as it is">
        <FaultList faults={problems} />
      </Note>
    </div>
  );
}

/** Why a definition that is shown cannot be changed. */
export function NotYours({ noun, source }: { noun: string; source: string }) {
  return source === "code" ? (
    <Note title="It is defined in the code of the server">
      Change it there, or make a copy under another name.
    </Note>
  ) : (
    <Note title="You may look, not change">
      Saving {noun}s needs {noun}.write.
    </Note>
  );
}
