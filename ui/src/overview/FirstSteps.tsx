import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { buttonClass } from "../kit/Button";
import { cx } from "../kit/cx";
import { Icon } from "../kit/Icon";
import s from "./Overview.module.css";
import type { Steps } from "./queries";

interface Step {
  id: keyof Steps;
  title: string;
  text: string;
  link: (look: string) => ReactNode;
}

const STEPS: readonly Step[] = [
  {
    id: "model",
    title: "Connect a model",
    text: "Give the server the key of a provider, and try it. Until then the built-in demo model answers.",
    link: (look) => (
      <Link to="/settings" className={look}>
        See the providers
      </Link>
    ),
  },
  {
    id: "agent",
    title: "Create an agent",
    text: "A name, a model and a few sentences of instructions.",
    link: (look) => (
      <Link to="/agents/new" className={look}>
        New agent
      </Link>
    ),
  },
  {
    id: "documents",
    title: "Give it documents",
    text: "Drop files into a RAG database; they are searchable a few seconds later. Agents quote them.",
    link: (look) => (
      <Link to="/rag" className={look}>
        Add documents
      </Link>
    ),
  },
  {
    id: "run",
    title: "Talk to it",
    text: "See each tool call, the passages it quotes, tokens and cost.",
    link: (look) => (
      <Link to="/agents" className={look}>
        Choose an agent
      </Link>
    ),
  },
  {
    id: "client",
    title: "Let a program call it",
    text: "Register a client, copy its secret once, and be that client to see what it may do.",
    link: (look) => (
      <Link to="/clients" className={look}>
        Register a client
      </Link>
    ),
  },
];

/** Those that concern whoever is signed in. */
const ours = (steps: Steps) => STEPS.filter((it) => steps[it.id] !== null);

export const isAllDone = (steps: Steps) => ours(steps).every((it) => steps[it.id]);

/** What leads from an empty server to an agent that a program calls. */
export function FirstSteps({ steps }: { steps: Steps }) {
  const shown = ours(steps);
  const next = shown.find((it) => !steps[it.id]);
  return (
    <ol className={s.first} aria-label="First steps">
      {shown.map((it, at) => (
        <li key={it.id} className={cx(steps[it.id] && s.done, it === next && s.now)}>
          <span className={s.stepn}>{steps[it.id] ? <Icon name="check" small label="Done" /> : at + 1}</span>
          <div>
            <h2>{it.title}</h2>
            <p className="sub">{it.text}</p>
          </div>
          {it.link(buttonClass(it === next ? "primary" : steps[it.id] ? "quiet" : "plain"))}
        </li>
      ))}
    </ol>
  );
}

/** The same, as a list beside what runs already. */
export function StepsLeft({ steps }: { steps: Steps }) {
  const shown = ours(steps);
  const done = shown.filter((it) => steps[it.id]).length;
  return (
    <section className={s.sec}>
      <div className={s.sechead}>
        <h2>First steps</h2>
        <span className="end dim">
          {done} of {shown.length} done
        </span>
      </div>
      <ul className={s.steps}>
        {shown.map((it) => (
          <li key={it.id} className={cx(steps[it.id] && s.done)}>
            <Icon name={steps[it.id] ? "check" : "circle-dashed"} label={steps[it.id] ? "Done:" : "To do:"} />
            {steps[it.id] ? it.title : it.link("")}
          </li>
        ))}
      </ul>
    </section>
  );
}
