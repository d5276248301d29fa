/** Languages in which a call can be copied. */
export const LANGUAGES = ["curl", "TypeScript", "Python"] as const;
export type Language = (typeof LANGUAGES)[number];

/** What is executed. */
export interface Executed {
  kind: "agents" | "workflows";
  name: string;
}

/** The call that executes this with that, as a program would make it; the token stands in the environment. */
export function snippet(
  language: Language,
  base: string,
  { kind, name }: Executed,
  body: Record<string, unknown>,
): string {
  const url = `${base}/${kind}/${name}/execute`;
  const json = JSON.stringify(body, null, 2);
  switch (language) {
    case "curl":
      return `curl ${shell(url)} \\\n  -H "Authorization: Bearer $TOKEN" \\\n  -H "Content-Type: application/json" \\\n  -d ${shell(JSON.stringify(body))}\n`;
    case "TypeScript":
      return `const response = await fetch(${JSON.stringify(url)}, {
  method: "POST",
  headers: { authorization: \`Bearer \${process.env.TOKEN}\`, "content-type": "application/json" },
  body: JSON.stringify(${indent(json, "  ")}),
});
const run = await response.json();
if (!response.ok) throw new Error(run.detail);
console.log(${kind === "agents" ? "run.output.text" : "run.output"});
`;
    default:
      return `import json, os, urllib.request

request = urllib.request.Request(
    ${JSON.stringify(url)},
    data=json.dumps(${indent(python(body), "    ")}).encode(),
    headers={"Authorization": f"Bearer {os.environ['TOKEN']}", "Content-Type": "application/json"},
)
with urllib.request.urlopen(request) as response:
    print(json.load(response)["output"]${kind === "agents" ? '["text"]' : ""})
`;
  }
}

/** A word of a shell, whatever is in it. */
const shell = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

const indent = (text: string, by: string) => text.replaceAll("\n", `\n${by}`);

/** A value of JSON as Python writes it. */
function python(value: unknown, by = ""): string {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value !== "object") return JSON.stringify(value);
  const deeper = `${by}    `;
  const inside = Array.isArray(value)
    ? value.map((it) => python(it, deeper))
    : Object.entries(value).map(([name, it]) => `${JSON.stringify(name)}: ${python(it, deeper)}`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  return inside.length === 0
    ? `${open}${close}`
    : `${open}\n${deeper}${inside.join(`,\n${deeper}`)},\n${by}${close}`;
}
