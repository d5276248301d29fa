import { type ErrorComponentProps, Link, useRouter } from "@tanstack/react-router";
import { failureOf } from "../api/problem";
import { buttonClass } from "../kit/Button";
import { Json } from "../kit/Code";
import { ProblemNote } from "../kit/Messages";
import { Body, Head } from "../kit/Page";

/** A page that cannot be shown says what the server answered; the rest of the server goes on. */
export function ErrorPage({ error, reset }: ErrorComponentProps) {
  const router = useRouter();
  const failure = failureOf(error);
  // One who is not signed in is being led to the door.
  if (failure.status === 401) return null;
  const again = () => {
    reset();
    router.invalidate();
  };
  return (
    <>
      <Head title={failure.status === 404 ? "Not there" : "This page cannot be shown"} />
      <Body>
        <ProblemNote error={error} retry={again} />
        <p>
          <Link to="/" className={buttonClass("primary")}>
            To the beginning
          </Link>
        </p>
        {Object.keys(failure.body).length > 0 && (
          <details>
            <summary>What the server said</summary>
            <Json value={failure.body} />
          </details>
        )}
      </Body>
    </>
  );
}

export function NotFoundPage() {
  return (
    <>
      <Head title="No such page" />
      <Body>
        <p className="sub">Nothing is at this address. The link may have a typing error.</p>
        <p>
          <Link to="/" className={buttonClass("primary")}>
            To the beginning
          </Link>
        </p>
      </Body>
    </>
  );
}
