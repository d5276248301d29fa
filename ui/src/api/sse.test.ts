import { expect, test } from "vitest";
import { type Frame, frames } from "./sse";

const bytes = (text: string) => new TextEncoder().encode(text);

async function read(chunks: Uint8Array[]): Promise<Frame[]> {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
  const found: Frame[] = [];
  for await (const frame of frames(body)) found.push(frame);
  return found;
}

const TEXT =
  'retry: 2000\nid: 9.5\nevent: text.delta\ndata: {"text":"Grüße 👋🏽"}\n\n: ping\n\nid: 10\ndata: a\ndata: b\n\nid: 11\ndata: cut';

test("frames are the same wherever the bytes are cut", async () => {
  const all = bytes(TEXT);
  const expected = [
    { id: "9.5", event: "text.delta", data: '{"text":"Grüße 👋🏽"}' },
    { id: "10", event: "message", data: "a\nb" },
  ];
  for (let at = 0; at <= all.length; at++) {
    expect(await read([all.slice(0, at), all.slice(at)])).toEqual(expected);
  }
});

test("lines may end in any of three ways", async () => {
  expect(await read([bytes("data: a\r"), bytes("\n\r\ndata: b\r\r")])).toEqual([
    { id: "", event: "message", data: "a" },
  ]);
  expect(await read([bytes("data: a\r\rdata: b\n\n")])).toEqual([
    { id: "", event: "message", data: "a" },
    { id: "", event: "message", data: "b" },
  ]);
});
