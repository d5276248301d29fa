import { expect, test } from "vitest";
import { contentFor, fitted, imagesOf, shortened } from "./images";

const IMAGE = `data:image/png;base64,${"A".repeat(200)}`;

test("a message is a text, or parts as soon as there is an image", () => {
  expect(contentFor("Hello", [])).toBe("Hello");
  expect(contentFor("", [IMAGE])).toEqual([{ type: "image", url: IMAGE }]);
  const both = contentFor("What is it?", [IMAGE]);
  expect(both).toEqual([
    { type: "text", text: "What is it?" },
    { type: "image", url: IMAGE },
  ]);
  expect(JSON.stringify(shortened(both)).length).toBeLessThan(150);
});

test("only images that stand in a message are shown", () => {
  const image = (url: string) => ({ type: "image", url });
  const hostile = image("data:image/svg+xml;base64,AAAA");
  expect(imagesOf([image(IMAGE), image("https://evil.example/x.png"), hostile, { type: "text" }])).toEqual([
    IMAGE,
  ]);
  expect(imagesOf("text")).toEqual([]);
});

test("a large image becomes as small as it must, in its proportion", () => {
  expect(fitted(3136, 100, 1568)).toEqual([1568, 50]);
  expect(fitted(10, 20, 1568)).toEqual([10, 20]);
  expect(fitted(1, 9000, 1000)).toEqual([1, 1000]);
});
