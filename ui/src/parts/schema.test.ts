import { expect, test } from "vitest";
import { anyOf, argumentsOf, composed, fieldsOf, holds, typedOf } from "./schema";

const ORDER = {
  type: "object",
  required: ["country", "express", "to"],
  $defs: { address: { type: "object", properties: { city: { type: "string" } }, required: ["city"] } },
  properties: {
    country: { type: "string", title: "Country", description: "Two letters" },
    kg: { type: ["number", "null"], default: 2 },
    boxes: { type: "integer" },
    express: { type: "boolean" },
    speed: { enum: ["slow", "fast", 3] },
    tags: { type: "array", items: { type: "string" } },
    weights: { type: "array", items: { type: "number" } },
    to: { $ref: "#/$defs/address" },
    rest: { anyOf: [{ type: "string" }, { type: "object" }] },
    "a/b": { type: "string", maxLength: 5000 },
  },
};
const fields = fieldsOf(ORDER) ?? [];

test("each member is a field of the kind that it needs, those first that must be there", () => {
  expect(fields.map((it) => `${it.name} ${it.kind}`)).toEqual([
    "country text",
    "express boolean",
    "to group",
    "kg number",
    "boxes integer",
    "speed choice",
    "tags list",
    "weights list",
    "rest json",
    "a/b long",
  ]);
  expect(fields[0]).toMatchObject({ label: "Country", hint: "Two letters", isRequired: true });
  expect(fields[2]?.fields[0]?.pointer).toBe("/to/city");
  expect(fields[9]?.pointer).toBe("/a~1b");
});

test("a schema without members cannot be drawn, nor one that is its own member for ever", () => {
  expect(fieldsOf({ type: "object" })).toBeNull();
  expect(fieldsOf({ type: "object", properties: {} })).toBeNull();
  const tree = { type: "object", properties: { child: { $ref: "#" } } };
  expect(() => fieldsOf(tree)).not.toThrow();
  expect(() => fieldsOf({ $ref: "#/a", a: { $ref: "#/a" } })).not.toThrow();
});

test("what is typed becomes the value, and what is not typed is not there", () => {
  expect(composed(fields, typedOf(fields))).toEqual({ body: { kg: 2, express: false, to: {} } });
  const typed = {
    "/country": "NO",
    "/kg": "0.4",
    "/express": "true",
    "/speed": "3",
    "/tags": "a\n\nb ",
    "/weights": "1\n2.5",
    "/to/city": "Oslo",
    "/rest": '{"x": 1}',
  };
  expect(composed(fields, typed)).toEqual({
    body: {
      country: "NO",
      kg: 0.4,
      express: true,
      speed: 3,
      tags: ["a", "b "],
      weights: [1, 2.5],
      to: { city: "Oslo" },
      rest: { x: 1 },
    },
  });
});

test("what cannot be read is said at its field", () => {
  const made = composed(fields, { "/kg": "heavy", "/boxes": "1.5", "/rest": "{", "/speed": '"fast"' });
  expect("errors" in made && Object.keys(made.errors).sort()).toEqual(["/boxes", "/kg", "/rest"]);
});

test("form and JSON are the same value, or the form says that it cannot hold it", () => {
  const value = { express: true, country: "NO", to: { city: "Oslo" }, tags: ["x"], speed: "fast" };
  expect(composed(fields, typedOf(fields, value))).toEqual({ body: value });
  expect(holds(fields, value)).toBe(true);
  expect(holds(fields, { ...value, unknown: 1 })).toBe(false);
  expect(holds(fields, { ...value, kg: null })).toBe(false);
  expect(holds(fields, [])).toBe(false);
});

test("arguments are an object", () => {
  expect(argumentsOf("")).toEqual({ body: {} });
  expect(argumentsOf("[1]")).toEqual({ errors: { "": "It must be a JSON object." } });
  expect(argumentsOf("{")).toHaveProperty("errors");
  expect([anyOf(" "), anyOf("[1]"), anyOf("null")]).toEqual([{ body: {} }, { body: [1] }, { body: null }]);
  expect(anyOf("{")).toHaveProperty("errors");
});

test("a default that is nothing is an empty field", () => {
  const fields = fieldsOf({ type: "object", properties: { most: { type: "integer", default: null } } });
  expect(typedOf(fields ?? [])).toEqual({});
});
