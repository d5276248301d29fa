import { ChangeDefinition } from "../parts/Definition";
import { changeUpstream, type Upstream, upstreamQuery } from "./queries";
import { UPSTREAM } from "./UpstreamForm";

/** The editor of an upstream, of a chunk that is loaded by who changes one. */
export default function ChangeUpstream({ it, mayChange }: { it: Upstream; mayChange: boolean }) {
  return (
    <ChangeDefinition
      kind={UPSTREAM}
      current={it}
      mayChange={mayChange}
      change={changeUpstream}
      queryKey={upstreamQuery(it.name).queryKey}
    />
  );
}
