import { Link } from "@tanstack/react-router";
import { PATH } from "../api/client";
import { useMe } from "../api/me";
import { Icon } from "../kit/Icon";
import { nextTheme, setTheme, useTheme } from "./theme";

/** How the one who is signed in is called. */
export function useName(): string {
  const me = useMe();
  return me.user?.display_name || me.user?.username || me.subject.replace(/^\w+:/, "");
}

const LOOK = { system: "monitor", light: "sun", dark: "moon" } as const;

/** Goes round: as the system has it, light, dark. */
export function ThemeButton() {
  const theme = useTheme();
  return (
    <button type="button" onClick={() => setTheme(nextTheme(theme))}>
      <Icon name={LOOK[theme]} />
      Theme: {theme}
    </button>
  );
}

/** What concerns one's own session. The form is sent by the browser: no script holds the session. */
export function AccountItems() {
  return (
    <>
      <ThemeButton />
      <a href={`${PATH}/docs`} target="_blank" rel="noreferrer">
        <Icon name="braces" />
        API documentation
      </a>
      <a href={`${PATH}/sign-in`}>
        <Icon name="lock" />
        Password and session
      </a>
      <Link to="/mcp" search={{ tab: "consents" }}>
        <Icon name="plug" />
        What you agreed to
      </Link>
      <form method="post" action={`${PATH}/sign-out`}>
        <button type="submit">
          <Icon name="log-out" />
          Sign out
        </button>
      </form>
    </>
  );
}
