import { useState } from "react";
import { PATH } from "../api/client";
import { Copy } from "../kit/Button";
import { Code } from "../kit/Code";
import { Segmented } from "../kit/Page";
import { type Executed, LANGUAGES, type Language, snippet } from "./snippets";

/** The same call for a program. */
export function Snippet({ of, body }: { of: Executed; body: Record<string, unknown> }) {
  const [language, setLanguage] = useState<Language>("curl");
  const code = snippet(language, location.origin + PATH, of, body);
  return (
    <section className="stack">
      <h2>Copy this call</h2>
      <div className="row">
        <Segmented
          label="Language"
          value={language}
          options={LANGUAGES.map((it) => [it, it] as const)}
          onChange={setLanguage}
        />
        <Copy text={code} what="call" />
      </div>
      <Code text={code} />
    </section>
  );
}
