import { Link, Outlet, useRouterState } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { usePendingCount } from "../api/approvals";
import { PATH } from "../api/client";
import { useMe } from "../api/me";
import { Button } from "../kit/Button";
import { Icon } from "../kit/Icon";
import { Avatar } from "../kit/Marks";
import { DocsOf } from "../kit/Page";
import { AccountItems, useName } from "./Account";
import { Keys } from "./Keys";
import { Mark } from "./Mark";
import { docsFor, grouped, placesFor } from "./navigation";
import s from "./Shell.module.css";

// Read when the page is there, so that nobody waits who asks for it.
const palette = () => import("./Palette");
const Palette = lazy(palette);

/** What every page stands in: navigation, the palette, the account. */
export function Shell() {
  const me = useMe();
  const name = useName();
  const places = placesFor(me.scopes);
  const waiting = usePendingCount();
  const [isFinding, setFinding] = useState(false);
  const path = useRouterState({ select: (it) => it.location.pathname });
  const main = useRef<HTMLElement>(null);
  useFocusOnNewPage(main);
  useEffect(() => {
    const soon = setTimeout(palette, 1000);
    return () => clearTimeout(soon);
  }, []);
  const count = (to: string) => (to === "/approvals" ? waiting : 0);
  return (
    <div className={s.app}>
      <button type="button" className={s.skip} onClick={() => main.current?.focus()}>
        Skip to content
      </button>
      <nav className={s.nav} aria-label="Main">
        <Link className={s.brand} to="/">
          <Mark />
          <span className={s.l}>Agent Server</span>
        </Link>
        <button type="button" className={s.find} onClick={() => setFinding(true)}>
          <Icon name="search" />
          <span className={s.l}>Find or do</span>
          <kbd aria-hidden>⌘ K</kbd>
        </button>
        {grouped(places).map(([group, inside]) => (
          <div key={group} role="group" aria-label={group || "Start"}>
            {group && <h2>{group}</h2>}
            {inside.map((it) => (
              <Link
                key={it.to}
                to={it.to}
                className={s.to}
                activeOptions={{ exact: it.to === "/" }}
                activeProps={{ "aria-current": "page" }}
                title={it.label}
              >
                <Icon name={it.icon} />
                <span className={s.l}>{it.label}</span>
                {count(it.to) > 0 && (
                  <span className={s.act}>
                    {count(it.to)}
                    <span className="vh"> waiting for you</span>
                  </span>
                )}
              </Link>
            ))}
          </div>
        ))}
        <div className={s.foot}>
          <button type="button" className={s.who} popoverTarget="account">
            <Avatar name={name} />
            <span className="vh">Account of </span>
            <span className={`grow cut ${s.l}`}>{name}</span>
          </button>
        </div>
      </nav>
      <div id="account" popover="auto" className={s.menu}>
        <p>
          Signed in to <b>{location.host}</b> as {me.user?.username ?? me.subject}
          {me.user?.role && `, ${me.user.role}`}
        </p>
        <AccountItems />
      </div>
      <div className={s.main}>
        <header className={s.topbar}>
          <Link className={s.brand} to="/">
            <Mark />
            <span className="cut">{location.host}</span>
          </Link>
          <span className="grow" />
          <Button look="quiet" icon="search" aria-label="Find or do" onClick={() => setFinding(true)} />
        </header>
        <Offline />
        <main ref={main} id="main" tabIndex={-1}>
          <DocsOf value={PATH + docsFor(path)}>
            <Outlet />
          </DocsOf>
        </main>
        <nav className={s.tabbar} aria-label="Main, short">
          {places
            .filter((it) => it.inBar)
            .map((it) => (
              <Link
                key={it.to}
                to={it.to}
                activeOptions={{ exact: it.to === "/" }}
                activeProps={{ "aria-current": "page" }}
              >
                <Icon name={it.icon} />
                {it.label}
                {count(it.to) > 0 && <b>{count(it.to)}</b>}
              </Link>
            ))}
          <Link to="/more" activeProps={{ "aria-current": "page" }}>
            <Icon name="menu" />
            More
          </Link>
        </nav>
      </div>
      {isFinding && (
        <Suspense>
          <Palette onClose={() => setFinding(false)} />
        </Suspense>
      )}
      <Keys onFind={() => setFinding(true)} />
    </div>
  );
}

/** Whoever goes to another page by the keyboard or a screen reader begins at its beginning. */
function useFocusOnNewPage(main: React.RefObject<HTMLElement | null>) {
  const path = useRouterState({ select: (it) => it.location.pathname });
  const before = useRef(path);
  useEffect(() => {
    if (before.current !== path && document.activeElement === document.body) main.current?.focus();
    before.current = path;
  }, [path, main]);
}

function Offline() {
  const isOnline = useSyncExternalStore(
    (changed) => {
      addEventListener("online", changed);
      addEventListener("offline", changed);
      return () => {
        removeEventListener("online", changed);
        removeEventListener("offline", changed);
      };
    },
    () => navigator.onLine,
  );
  return isOnline ? null : (
    <p className={s.offline} role="alert">
      This browser is offline. What you typed is kept; what runs on the server goes on.
    </p>
  );
}
