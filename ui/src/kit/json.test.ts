import { expect, test } from "vitest";
import { parseJson, parseObject, piecesOf, pretty } from "./json";

test("pieces are the text again, whatever it is", () => {
  const texts = [
    pretty({ a: [1, -2.5e3, true, null, 'q"\\'], "b:c": { d: ': "x"' } }),
    "",
    "not json {",
    '"',
    "<script>",
  ];
  for (const text of texts)
    expect(
      piecesOf(text)
        .map((it) => it.text)
        .join(""),
    ).toBe(text);
});

test("names, texts, numbers and words look different", () => {
  const looks = piecesOf('{"a": "b", "c": 1, "d": null}').filter((it) => it.look !== "plain");
  expect(looks.map((it) => `${it.look} ${it.text}`)).toEqual([
    'key "a"',
    'string "b"',
    'key "c"',
    "number 1",
    'key "d"',
    "word null",
  ]);
});

test("a fault is said with its line", () => {
  expect(parseJson('{"a": 1}')).toEqual({ value: { a: 1 } });
  expect(parseJson('{\n  "a": 1,\n}')).toMatchObject({ line: 3 });
  expect(parseJson('{"a": ')).toMatchObject({ line: 1 });
});

test("an object may be left empty, and is nothing else", () => {
  expect(parseObject("  ")).toEqual({ value: null });
  expect(parseObject("[]")).toEqual({ error: "It must be a JSON object" });
  expect(parseObject("{")).toHaveProperty("error");
});
