/** One frame of an event stream. */
export interface Frame {
  id: string;
  event: string;
  data: string;
}

/**
 * The frames of an event stream, as they come.
 *
 * A frame that the connection cut is not given: whoever reads asks again after the last id he has.
 */
export async function* frames(body: ReadableStream<Uint8Array>): AsyncGenerator<Frame> {
  const reader = body
    .pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)
    .getReader();
  let rest = "";
  let frame: Frame = { id: "", event: "message", data: "" };
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      rest += value;
      // A line may end in CR LF, LF or CR. A CR at the very end may be half of a CR LF: it waits.
      const lines = rest.split(/\r\n|\n|\r(?=[^\n])/);
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (line === "") {
          if (frame.data) yield { ...frame, data: frame.data.slice(0, -1) };
          frame = { id: frame.id, event: "message", data: "" };
          continue;
        }
        const colon = line.indexOf(":");
        if (colon === 0) continue;
        const name = colon < 0 ? line : line.slice(0, colon);
        const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
        if (name === "id") frame.id = value;
        if (name === "event") frame.event = value;
        if (name === "data") frame.data += `${value}\n`;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
