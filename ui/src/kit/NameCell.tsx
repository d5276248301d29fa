import { Link, type LinkProps } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { nameClass } from "./Table";

interface Props {
  mark: ReactNode;
  to: LinkProps["to"];
  params?: Record<string, string>;
  search?: Record<string, string>;
  name: string;
  /** What it is about: what there is room for. */
  about?: ReactNode;
}

/** The cell by which a row is opened. */
export const NameCell = ({ mark, name, about, to, ...where }: Props) => (
  <span className="row">
    {mark}
    <span className="cut">
      <Link className={nameClass ?? ""} to={to} {...(where as object)}>
        <bdi>{name}</bdi>
      </Link>{" "}
      <span className="dim" dir="auto">
        {about}
      </span>
    </span>
  </span>
);
