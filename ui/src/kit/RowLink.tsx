import { type LinkProps, useRouter } from "@tanstack/react-router";
import type { MouseEvent, ReactNode } from "react";
import { nameClass } from "./Table";

interface Props {
  to: NonNullable<LinkProps["to"]>;
  params?: Readonly<Record<string, string>>;
  search?: Readonly<Record<string, unknown>>;
  children: ReactNode;
}

/** The link by which a row is opened. It asks the router for nothing before it is used: a list has thousands of them. */
export function RowLink({ to, params = {}, search, children }: Props) {
  const router = useRouter();
  const where = { to, params, ...(search && { search }) } as never;
  const path = to.replace(/\$(\w+)/g, (_, name) => encodeURIComponent(params[name] ?? ""));
  const go = (event: MouseEvent) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    router.navigate(where);
  };
  return (
    <a
      className={nameClass}
      href={router.basepath + path + (search ? router.options.stringifySearch(search) : "")}
      onClick={go}
      onPointerEnter={() => router.preloadRoute(where)}
    >
      {children}
    </a>
  );
}
