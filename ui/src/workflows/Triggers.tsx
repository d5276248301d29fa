import { useQuery } from "@tanstack/react-query";
import { Link, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { useMay } from "../api/me";
import { listed } from "../api/pages";
import type { TriggerState } from "../api/types";
import { Button, buttonClass } from "../kit/Button";
import { Icon } from "../kit/Icon";
import type { IconName } from "../kit/icons";
import { Listing } from "../kit/Listing";
import { Tag } from "../kit/Marks";
import { NameCell } from "../kit/NameCell";
import { Panes } from "../kit/Page";
import type { Column } from "../kit/Table";
import { Time } from "../kit/Time";
import { useAct } from "../parts/useAct";
import { FireDialog } from "./FireDialog";
import s from "./Live.module.css";
import { triggersQuery, turnTrigger } from "./queries";
import { TriggerDetails } from "./TriggerDetails";
import { whatOf } from "./trigger";

interface Props {
  workflow: { id: string; name: string };
  mayWrite: boolean;
}

/** What begins runs of a workflow by itself: how each is, when it will, and when it did. Which one is chosen stands in the URL. */
export function Triggers({ workflow, mayWrite }: Props) {
  const { trigger: wanted } = useSearch({ strict: false }) as { trigger?: string };
  const triggers = useQuery(triggersQuery(workflow.id));
  const mayRun = useMay("workflow.execute");
  const [firing, setFiring] = useState<TriggerState | null>(null);
  const rows = triggers.data ?? [];
  const chosen = rows.find((it) => it.id === wanted) ?? rows[0];
  const list = (
    <div className={s.triggers}>
      <Listing
        noun="trigger"
        label="Triggers"
        list={listed(triggers)}
        columns={columns(workflow, mayWrite, mayRun, setFiring)}
        rowKey={(it) => it.id}
        empty={{
          title: "Nothing begins it by itself",
          text: "People and programs run it when they want to. A trigger of its definition runs it at a time, for a request, or when something happens.",
          action: (
            <Link
              to="/workflows/$workflowId"
              params={{ workflowId: workflow.name }}
              search={{ tab: "triggers-edit" }}
              className={buttonClass(mayWrite ? "primary" : "plain")}
            >
              {mayWrite ? "Add a trigger" : "See the definition"}
            </Link>
          ),
        }}
      />
      {triggers.isSuccess && rows.length === 0 && <Kinds />}
      {firing && <FireDialog workflow={workflow} trigger={firing} onClose={() => setFiring(null)} />}
    </div>
  );
  if (!chosen) return list;
  return (
    <Panes label="Trigger" aside={<TriggerDetails key={chosen.id} workflow={workflow} trigger={chosen} />}>
      {list}
    </Panes>
  );
}

const ICONS: Readonly<Record<string, IconName>> = {
  api: "braces",
  webhook: "external-link",
  cron: "clock",
  event: "zap",
};

function columns(
  workflow: Props["workflow"],
  mayWrite: boolean,
  mayRun: boolean,
  fire: (it: TriggerState) => void,
): Column<TriggerState>[] {
  return [
    {
      head: "Trigger",
      narrow: "title",
      cell: (it) => (
        <NameCell
          mark={<Icon name={ICONS[it.type] ?? "zap"} />}
          name={it.id}
          to="/workflows/$workflowId"
          params={{ workflowId: workflow.name }}
          search={{ tab: "triggers", trigger: it.id }}
        />
      ),
    },
    {
      head: "Waits for",
      wide: "40%",
      narrow: "line",
      cell: (it) => (
        <span className="row">
          <span className="cut dim" dir="auto" title={whatOf(it)}>
            {whatOf(it)}
          </span>
        </span>
      ),
    },
    { head: "State", narrow: "end", cell: (it) => <State of={it} /> },
    {
      head: "Next",
      cell: (it) => <span className="nowrap">{it.next_at[0] && <Time at={it.next_at[0]} />}</span>,
    },
    {
      head: "Last",
      cell: (it) => <span className="nowrap">{it.last_firing && <Time at={it.last_firing.fired_at} />}</span>,
    },
    {
      head: "Actions",
      unseen: true,
      narrow: "line",
      cell: (it) => (
        <span className="row end">
          {mayRun && (
            <Button small icon="play" onClick={() => fire(it)}>
              Run now…
            </Button>
          )}
          {mayWrite && <Turn workflow={workflow} trigger={it} />}
        </span>
      ),
    },
  ];
}

function State({ of }: { of: TriggerState }) {
  if (of.problem) return <Tag look="bad">Begins nothing</Tag>;
  return of.paused ? <Tag look="warn">Paused</Tag> : <Tag look="ok">On</Tag>;
}

function Turn({ workflow, trigger }: { workflow: Props["workflow"]; trigger: TriggerState }) {
  const act = useAct(() => turnTrigger(workflow.id, trigger.id, !trigger.paused), {
    keys: ["workflows"],
    said: () => (trigger.paused ? `${trigger.id} begins runs again` : `${trigger.id} is paused`),
  });
  return (
    <Button small busy={act.isPending && "Changing…"} onClick={() => act.mutate()}>
      {trigger.paused ? "Resume" : "Pause"}
    </Button>
  );
}

/** What there could be. */
const Kinds = () => (
  <dl className={s.kinds}>
    <dt>cron</dt>
    <dd>At times of the clock, in a time zone: each working day at nine.</dd>
    <dt>api</dt>
    <dd>For a request to an address of its own, with a token and whatever body it has.</dd>
    <dt>webhook</dt>
    <dd>For a request that another service signs, such as GitHub.</dd>
    <dt>event</dt>
    <dd>When an event of a name comes by POST /workflows/events.</dd>
  </dl>
);
