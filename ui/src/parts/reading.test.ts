import { expect, test } from "vitest";
import { madeOf, reader } from "./reading";

test("all that cannot be read is kept, at its place", () => {
  const { number, object, value, made } = reader();
  expect([number("/a", " 7 "), number("/b", ""), number("/c", "1.5"), number("/d", "1.5", false)]).toEqual([
    7,
    null,
    1.5,
    1.5,
  ]);
  expect([object("/e", ""), object("/f", "[1]"), value("/g", ""), value("/h", '"x"')]).toEqual([
    null,
    null,
    undefined,
    "x",
  ]);
  const found = made({});
  expect("errors" in found && Object.keys(found.errors)).toEqual(["/c", "/f"]);
});

test("an editor of JSON holds an object, or says in which line it does not", () => {
  expect(madeOf('{"a": 1}')).toEqual({ body: { a: 1 } });
  expect(madeOf("7")).toEqual({ errors: { "": "It must be a JSON object." } });
  const cut = madeOf('{\n"a": ');
  expect("errors" in cut && cut.errors[""]).toMatch(/^Line 2/);
});
