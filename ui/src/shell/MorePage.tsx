import { Link } from "@tanstack/react-router";
import { useMe } from "../api/me";
import { Icon } from "../kit/Icon";
import { Body, Head } from "../kit/Page";
import { AccountItems, useName } from "./Account";
import { placesFor } from "./navigation";
import s from "./Shell.module.css";

/** All pages as a list, for narrow screens. */
export function MorePage() {
  const name = useName();
  return (
    <>
      <Head title="More" lede={`Signed in as ${name}.`} />
      <Body>
        <div className={s.morelist}>
          {placesFor(useMe().scopes).map((it) => (
            <Link key={it.to} to={it.to}>
              <Icon name={it.icon} />
              {it.label}
            </Link>
          ))}
          <AccountItems />
        </div>
      </Body>
    </>
  );
}
