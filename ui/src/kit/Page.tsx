import { Link, type LinkProps } from "@tanstack/react-router";
import {
  createContext,
  Fragment,
  type ReactNode,
  useContext,
  useEffect,
  useLayoutEffect,
  useRef,
} from "react";
import { buttonClass } from "./Button";
import { Icon } from "./Icon";
import s from "./Page.module.css";

/** A page above the one that is shown. */
export interface Crumb {
  label: string;
  to: LinkProps["to"];
  params?: Record<string, string>;
  search?: Record<string, string>;
}

interface HeadProps {
  title: string;
  /** Beside the title: its state, tags. */
  beside?: ReactNode;
  crumbs?: readonly Crumb[];
  actions?: ReactNode;
  lede?: ReactNode;
}

/** Where the page that is shown is documented. */
const Docs = createContext<string | null>(null);
export const DocsOf = Docs.Provider;

/** The head of a page; it names the tab of the browser, too. */
export function Head({ title, beside, crumbs, actions, lede }: HeadProps) {
  const docs = useContext(Docs);
  useEffect(() => {
    document.title = `${title} · Agent Server`;
  }, [title]);
  return (
    <header className={s.head}>
      {crumbs && (
        <nav className={s.crumbs} aria-label="Breadcrumb">
          {crumbs.map(({ label, to, ...where }) => (
            <Fragment key={label}>
              <Link to={to} {...(where as object)}>
                {label}
              </Link>
              <span aria-hidden>/</span>
            </Fragment>
          ))}
          <span>{title}</span>
        </nav>
      )}
      <div className={s.row}>
        <h1>
          <span dir="auto">{title}</span>
          {beside}
        </h1>
        <div className={s.actions}>
          {actions}
          {docs && (
            <a href={docs} target="_blank" rel="noreferrer" className={`${buttonClass("quiet")} hide-n`}>
              <Icon name="book-open" /> Docs
            </a>
          )}
        </div>
      </div>
      {lede && <div className={s.lede}>{lede}</div>}
    </header>
  );
}

interface TabsProps<T extends string> {
  label: string;
  current: T;
  tabs: readonly { id: T; label: string; count?: number | undefined }[];
}

/** Views of the same thing; which one is shown stands in the URL as `tab`. */
export function Tabs<T extends string>({ label, current, tabs }: TabsProps<T>) {
  const list = useRef<HTMLElement>(null);
  // On a narrow screen not all have room.
  // biome-ignore lint/correctness/useExhaustiveDependencies: another one is the current one
  useLayoutEffect(() => {
    const [strip, tab] = [list.current, list.current?.querySelector<HTMLElement>("[aria-current]")];
    if (strip && tab) strip.scrollLeft = tab.offsetLeft + tab.offsetWidth / 2 - strip.clientWidth / 2;
  }, [current]);
  return (
    <nav className={s.tabs} aria-label={label} ref={list}>
      {tabs.map((it, at) => (
        <Link
          key={it.id}
          to="."
          search={
            ((before: Record<string, unknown>) => ({ ...before, tab: at === 0 ? undefined : it.id })) as never
          }
          aria-current={it.id === current ? "page" : undefined}
          activeOptions={{ exact: true, includeSearch: true, explicitUndefined: true }}
        >
          {it.label}
          {it.count !== undefined && <span className={s.count}>{it.count}</span>}
        </Link>
      ))}
    </nav>
  );
}

export const Body = ({ children }: { children: ReactNode }) => <div className={s.body}>{children}</div>;

/** A column for what is looked at, and one for what is selected in it. */
export function Panes({ children, aside, label }: { children: ReactNode; aside: ReactNode; label: string }) {
  return (
    <div className={s.panes}>
      <div>{children}</div>
      <aside className={s.aside} aria-label={label}>
        {aside}
      </aside>
    </div>
  );
}

/** Names and values; what is `null` or empty is left out. */
export function Facts({ facts }: { facts: readonly (readonly [name: string, value: ReactNode])[] }) {
  return (
    <dl className={s.kv}>
      {facts
        .filter(([, value]) => value !== null && value !== undefined && value !== "")
        .map(([name, value]) => (
          <Fragment key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </Fragment>
        ))}
    </dl>
  );
}

export const Toolbar = ({ children }: { children: ReactNode }) => <div className={s.toolbar}>{children}</div>;

interface FilterProps {
  label: string;
  value: string | undefined;
  options: readonly (readonly [value: string, label: string])[];
  onChange: (value: string | undefined) => void;
}

/** A filter of a list: dashed as long as it lets everything through. */
export function Filter({ label, value, options, onChange }: FilterProps) {
  return (
    <select
      className={s.chip}
      aria-label={label}
      data-on={value ? true : undefined}
      value={value ?? ""}
      onChange={(event) => onChange(event.target.value || undefined)}
    >
      <option value="">{label}</option>
      {value && !options.some(([key]) => key === value) && <option value={value}>{value}</option>}
      {options.map(([key, text]) => (
        <option key={key} value={key}>
          {value === key ? `${label}: ${text}` : text}
        </option>
      ))}
    </select>
  );
}

interface SegmentedProps<T extends string> {
  label: string;
  value: T;
  options: readonly (readonly [value: T, label: string])[];
  onChange: (value: T) => void;
}

export function Segmented<T extends string>({ label, value, options, onChange }: SegmentedProps<T>) {
  return (
    <div className={s.seg} role="group" aria-label={label}>
      {options.map(([key, text]) => (
        <button key={key} type="button" aria-pressed={key === value} onClick={() => onChange(key)}>
          {text}
        </button>
      ))}
    </div>
  );
}

export function LiveDot({ on, children }: { on: boolean; children: ReactNode }) {
  return (
    <span className={s.livedot} data-off={on ? undefined : true}>
      <i />
      {children}
    </span>
  );
}
