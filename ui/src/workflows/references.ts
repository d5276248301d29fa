import { isObject } from "../graph/entry";

/** A value in which what named an entry by one id names it by another: pointers, templates and `depends_on`. */
export function renamed(value: unknown, from: string, to: string): unknown {
  const name = from.replace(/[^\w-]/g, "\\$&");
  const pointer = new RegExp(`^/steps/${name}(?=/|$)`);
  const place = new RegExp(`({{[^}]*?\\bsteps\\.)${name}(?=[.\\s}])`, "g");
  const inside = (it: unknown, member: string | null): unknown => {
    if (Array.isArray(it))
      return it.map((item) => (member === "depends_on" && item === from ? to : inside(item, member)));
    if (isObject(it))
      return Object.fromEntries(Object.entries(it).map(([key, value]) => [key, inside(value, key)]));
    if (typeof it !== "string") return it;
    if (member === "$") return it.replace(pointer, () => `/steps/${to}`);
    return member === "$template" || member === "message"
      ? it.replace(place, (_, before) => before + to)
      : it;
  };
  return inside(value, null);
}
