import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useId, useMemo, useRef, useState } from "react";
import { answer, api } from "../api/client";
import { useMay, useMe } from "../api/me";
import type { RunSummary } from "../api/types";
import { found, marked } from "../kit/find";
import { Icon } from "../kit/Icon";
import type { IconName } from "../kit/icons";
import { statusWord } from "../kit/Marks";
import { placesFor } from "./navigation";
import s from "./Shell.module.css";
import { nextTheme, setTheme, useTheme } from "./theme";

interface Choice {
  id: string;
  label: string;
  hint?: string;
  icon: IconName;
  group: "Do" | "Open";
  choose: () => void;
}

/** ⌘K: what can be done first, then what can be opened. */
export function Palette({ onClose }: { onClose: () => void }) {
  const [query, setQuery] = useState("");
  const [at, setAt] = useState(0);
  const dialog = useRef<HTMLDialogElement>(null);
  const list = useId();
  const choices = useChoices();
  const shown = useMemo(() => {
    const best = found(query, choices);
    return [...best.filter((it) => it.group === "Do"), ...best.filter((it) => it.group === "Open")];
  }, [query, choices]);
  useEffect(() => dialog.current?.showModal(), []);
  const chosen = shown[Math.min(at, shown.length - 1)];
  useEffect(() => {
    if (chosen) document.getElementById(`${list}-${chosen.id}`)?.scrollIntoView({ block: "nearest" });
  }, [chosen, list]);
  const choose = (choice: Choice | undefined) => {
    if (!choice) return;
    onClose();
    choice.choose();
  };
  const press = (event: React.KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && shown.length > 0) {
      event.preventDefault();
      setAt((before) => (Math.min(before, shown.length - 1) + step + shown.length) % shown.length);
    }
    if (event.key === "Enter") choose(chosen);
  };
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape is the key; a click beside it does the same
    <dialog
      ref={dialog}
      className={s.palette}
      aria-label="Find or do"
      onClose={onClose}
      onClick={(event) => event.target === dialog.current && onClose()}
    >
      <div className={s.ask}>
        <Icon name="search" />
        <input
          autoFocus
          role="combobox"
          aria-expanded
          aria-controls={list}
          aria-activedescendant={chosen && `${list}-${chosen.id}`}
          aria-label="Find or do"
          placeholder="Find or do…"
          value={query}
          onChange={(event) => {
            setQuery(event.target.value);
            setAt(0);
          }}
          onKeyDown={press}
        />
      </div>
      <div className={s.options} id={list} role="listbox" aria-label="Found">
        {shown.map((it, index) => (
          <div key={it.id} role="presentation">
            {shown[index - 1]?.group !== it.group && <h3 aria-hidden>{it.group}</h3>}
            {/* biome-ignore lint/a11y/useKeyWithClickEvents: Enter in the text chooses it */}
            <div
              id={`${list}-${it.id}`}
              role="option"
              aria-selected={it === chosen}
              className={s.option}
              onClick={() => choose(it)}
              onMouseMove={() => setAt(index)}
            >
              <Icon name={it.icon} />
              <span className="cut">
                {marked(query, it.label).map((part, n) =>
                  part.hit ? <b key={n}>{part.text}</b> : part.text,
                )}
              </span>
              {it.hint && <span className="dim small end nowrap">{it.hint}</span>}
            </div>
          </div>
        ))}
      </div>
      {shown.length === 0 && <p className={s.none}>Nothing is named “{query}”.</p>}
      <div className={s.keys} aria-hidden>
        <span>↑↓ choose</span>
        <span>↵ open</span>
        <span>esc close</span>
      </div>
    </dialog>
  );
}

function useChoices(): Choice[] {
  const navigate = useNavigate();
  const me = useMe();
  const theme = useTheme();
  const mayWrite = useMay("agent.write");
  const maySeeAgents = useMay("agent.read", "agent.execute");
  const maySeeRuns = useMay("run.read", "agent.execute", "tool.execute");
  const agents = useQuery({
    queryKey: ["agents", "names"],
    queryFn: () => answer(api.GET("/agents", { params: { query: { limit: 200 } } })),
    enabled: maySeeAgents,
  });
  const runs = useQuery({
    queryKey: ["runs", "latest"],
    queryFn: () => answer(api.GET("/runs", { params: { query: { limit: 50 } } })),
    enabled: maySeeRuns,
  });
  return useMemo(() => {
    const choices: Choice[] = placesFor(me.scopes).map((it) => ({
      id: `place-${it.to.slice(1)}`,
      label: it.label,
      icon: it.icon,
      group: "Open",
      choose: () => navigate({ to: it.to }),
    }));
    if (mayWrite) {
      choices.unshift({
        id: "new-agent",
        label: "New agent",
        icon: "plus",
        group: "Do",
        choose: () => navigate({ to: "/agents/new" }),
      });
    }
    const next = nextTheme(theme);
    choices.push({
      id: "theme",
      label: `Use the theme ${next}`,
      icon: "moon",
      group: "Do",
      choose: () => setTheme(next),
    });
    for (const it of agents.data?.data ?? []) {
      choices.push({
        id: `agent-${it.id}`,
        label: it.display_name,
        hint: it.name,
        icon: "bot",
        group: "Open",
        choose: () => navigate({ to: "/agents/$name", params: { name: it.name } }),
      });
    }
    for (const it of runs.data?.data ?? [])
      choices.push(runChoice(it, () => navigate({ to: "/runs/$id", params: { id: it.id } })));
    return choices;
  }, [me.scopes, mayWrite, theme, agents.data, runs.data, navigate]);
}

const runChoice = (run: RunSummary, choose: () => void): Choice => ({
  id: `run-${run.id}`,
  label: `Run of ${run.definition.name}`,
  hint: `${statusWord(run.status)} · ${run.id.slice(-8)}`,
  icon: "list-tree",
  group: "Open",
  choose,
});
