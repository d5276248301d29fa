import type { LinkProps } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { RowLink } from "./RowLink";

interface Props {
  mark: ReactNode;
  to: NonNullable<LinkProps["to"]>;
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
      <RowLink to={to} {...where}>
        <bdi>{name}</bdi>
      </RowLink>{" "}
      <span className="dim" dir="auto">
        {about}
      </span>
    </span>
  </span>
);
