import { getRouteApi, Link } from "@tanstack/react-router";
import { Body, Head } from "../kit/Page";
import { MakeDefinition } from "../parts/Definition";
import { NewPage } from "../parts/NewPage";
import { contentOf, draftOf, newDraft } from "./draft";
import { createTool, toolDefinitionQuery } from "./queries";
import { KINDS, type MadeKind } from "./search";
import { TOOL } from "./ToolForm";
import s from "./Tools.module.css";

const route = getRouteApi("/tools/new");
const CRUMBS = [{ label: "Tools", to: "/tools" }] as const;

const WORDS: Record<MadeKind, string> = {
  http: "Sends a request to an API, with its key, and gives back what of the answer is wanted.",
  javascript: "Runs a script of yours, shut off from everything but the hosts that you name.",
  static: "Gives back always the same value.",
  template: "Fills arguments into a text.",
  agent: "Asks another agent.",
  workflow: "Runs a workflow.",
  rag: "Searches documents, several databases at once.",
};

/** First what it does, then the rest: each kind begins as something that works. */
export function NewToolPage() {
  const { from, kind } = route.useSearch();
  const navigate = route.useNavigate();
  if (!from && !kind) {
    return (
      <>
        <Head title="New tool" crumbs={CRUMBS} lede="What shall it do?" />
        <Body>
          <ul className={s.kinds}>
            {KINDS.map((it) => (
              <li key={it}>
                <Link to="/tools/new" search={{ kind: it }}>
                  <b>{it}</b>
                  <span className="sub">{WORDS[it]}</span>
                </Link>
              </li>
            ))}
            <li>
              <Link to="/tools/import">
                <b>From an OpenAPI document</b>
                <span className="sub">Makes a tool of each operation of an API.</span>
              </Link>
            </li>
          </ul>
        </Body>
      </>
    );
  }
  return (
    <NewPage title="New tool" crumbs={CRUMBS} from={from} read={toolDefinitionQuery}>
      {(original) => (
        <MakeDefinition
          key={from ?? kind}
          kind={TOOL}
          initial={
            original
              ? { ...draftOf(contentOf(original)), name: "", display_name: "" }
              : newDraft(kind ?? "javascript")
          }
          create={createTool}
          said={(it) => `${it.name} is there, and can be tried`}
          open={(it) => navigate({ to: "/tools/$name", params: { name: it.name } })}
        />
      )}
    </NewPage>
  );
}
