import type { Api } from "./server";

/** A workflow that asks a person above 100, looks at each line, and has an agent answer. */
export const REFUND = {
  name: "refund",
  display_name: "Refund",
  description: "Looks at an order, asks a person above 100, and answers.",
  input_schema: {
    type: "object",
    required: ["order", "total"],
    properties: {
      order: { type: "string", title: "Order", description: "Its number" },
      total: { type: "number", title: "Total" },
      express: { type: "boolean" },
    },
  },
  steps: [
    { id: "read", type: "script", code: "return { id: input.order, total: input.total, lines: [1, 2, 3] };" },
    {
      id: "route",
      type: "conditional",
      cases: [
        {
          when: { op: "gt", left: { $: "/steps/read/output/total" }, right: 100 },
          then: [
            {
              id: "ok",
              type: "approval",
              message: "Refund {{ steps.read.output.total }} for {{ input.order }}?",
              input: { $: "/steps/read/output" },
              payload_schema: {
                type: "object",
                required: ["amount"],
                properties: {
                  amount: { type: "number", title: "Amount", maximum: 500 },
                  note: { type: "string", title: "Note" },
                },
              },
            },
          ],
        },
      ],
      otherwise: [{ id: "small", type: "mapping", output: "small enough" }],
    },
    {
      id: "each",
      type: "foreach",
      items: { $: "/steps/read/output/lines" },
      do: [{ id: "line", type: "script", input: { $: "/item" }, code: "return input * 2;" }],
    },
    {
      id: "answer",
      type: "agent",
      agent: "demo",
      input: { $template: "Hello {{ input.order }}" },
    },
  ],
  output: { answer: { $: "/steps/answer/output/text" }, lines: { $: "/steps/each/output" } },
};

/** Sleeps, waits for an event and tries again, all at once. */
export const PATIENT = {
  name: "patient",
  display_name: "Patient",
  steps: [
    {
      id: "both",
      type: "parallel",
      branches: {
        sleeps: [{ id: "nap", type: "sleep", duration_ms: 3_600_000 }],
        hears: [{ id: "paid", type: "wait_for_event", event: "payment", key: { $: "/input/order" } }],
        tries: [
          {
            id: "again",
            type: "script",
            code: "throw new Error('the shop is closed');",
            retry: { max: 3, backoff_ms: 600_000 },
          },
        ],
      },
    },
    { id: "after", type: "mapping", output: "all of it" },
  ],
};

/** Fails at its second entry, unless the first gives something else. */
export const BROKEN = {
  name: "broken",
  display_name: "Broken",
  steps: [
    { id: "first", type: "mapping", output: { works: false } },
    {
      id: "second",
      type: "script",
      input: { $: "/steps/first/output" },
      code: "if (!input.works) throw new Error('it does not work'); return 'it works';",
    },
    { id: "third", type: "mapping", output: { $: "/steps/second/output" } },
  ],
};

/** Begins by itself, in each way that there is. */
export const NIGHTLY = {
  name: "nightly",
  display_name: "Nightly",
  steps: [{ id: "count", type: "mapping", output: { $: "/input" } }],
  triggers: [
    {
      type: "cron",
      cron: "30 2 * * *",
      timezone: "Europe/Helsinki",
      input: { of: "yesterday" },
      missed: "once",
    },
    { type: "api", path: "count" },
    { type: "webhook", path: "counted", signature: "none" },
    { type: "event", name: "shop.closed" },
  ],
};

/** Entries that wait for each other; begun by itself in each way. */
export const GRAPH = {
  name: "graph",
  display_name: "Graph",
  steps: [
    { id: "clock", type: "tool", tool: "current_time", depends_on: [], retry: { max: 2 } },
    { id: "order", type: "mapping", output: { id: { $: "/input/order" } }, depends_on: [] },
    { id: "weigh", type: "script", code: "return 2;", depends_on: ["order"], on_error: "continue" },
    {
      id: "tell",
      type: "agent",
      agent: "demo",
      input: { $template: "It is {{ steps.clock.output.now }}" },
      depends_on: ["clock", "weigh"],
    },
    { id: "keep", type: "mapping", output: { $: "/steps/order/output" }, depends_on: ["order", "tell"] },
  ],
  triggers: [
    // Once a year: no test is there when it comes.
    { type: "cron", cron: "0 9 1 1 *", timezone: "Europe/Berlin", missed: "once" },
    { type: "api", path: "graph", method: "POST" },
    { type: "event", name: "payment", key: "A-17" },
  ],
};

/** Has another workflow ask a person, below it. */
export const PARENT = {
  name: "parent",
  display_name: "Parent",
  steps: [{ id: "below", type: "workflow", workflow: "refund", input: { $: "/input" } }],
};

/** Asks a person while a tool `held` is called. */
export const BESIDE = {
  name: "beside",
  display_name: "Beside",
  steps: [
    {
      id: "both",
      type: "parallel",
      branches: {
        asks: [{ id: "ok", type: "approval", message: "Go on?" }],
        works: [{ id: "call", type: "tool", tool: "held" }],
      },
    },
  ],
};

/** Looks at each of what it is given: a log of any length. */
export const MANY = {
  name: "many",
  display_name: "Many",
  steps: [
    {
      id: "each",
      type: "foreach",
      items: { $: "/input" },
      concurrency: 10,
      do: [{ id: "one", type: "mapping", output: { $: "/item" } }],
    },
  ],
};

interface Run {
  id: string;
  status: string;
}

export const begin = (admin: Api, name: string, input: unknown) =>
  admin<Run>("POST", `/workflows/${name}/execute`, { input, background: true });

/** A run as soon as it is like this. */
export async function once(admin: Api, id: string, status: string): Promise<string> {
  for (let tries = 0; tries < 300; tries++) {
    const run = await admin<Run>("GET", `/runs/${id}`);
    if (run.status === status) return id;
    await new Promise((again) => setTimeout(again, 50));
  }
  throw new Error(`run ${id} did not become ${status}`);
}

/** The workflows, and runs of them in which something is to be seen. */
export async function runWorkflows(admin: Api) {
  for (const it of [REFUND, PATIENT, BROKEN, GRAPH, PARENT])
    await admin("POST", "/workflows/definitions", it);
  await admin("PUT", "/workflows/definitions/graph", {
    description: "Waits for the clock and for the order, and tells of both.",
    steps: (GRAPH.steps as object[]).with(2, { ...GRAPH.steps[2], code: "return input.id.length;" }),
  });
  const [asks, waits, fails, done, below] = await Promise.all([
    begin(admin, "refund", { order: "A-17", total: 140 }),
    begin(admin, "patient", { order: "A-17" }),
    begin(admin, "broken", {}),
    begin(admin, "refund", { order: "A-18", total: 40 }),
    begin(admin, "parent", { order: "D-4", total: 150 }),
  ]);
  return {
    asks: await once(admin, asks.id, "suspended"),
    waits: await once(admin, waits.id, "waiting"),
    fails: await once(admin, fails.id, "failed"),
    done: await once(admin, done.id, "succeeded"),
    below: await once(admin, below.id, "waiting"),
  };
}
