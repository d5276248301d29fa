import { PATH, signIn } from "./client";
import { Failure } from "./problem";

/**
 * Sends one file, and says how far it is. `fetch` cannot tell that of what it sends, so this is the one
 * XMLHttpRequest. `isKnown`: the server has these bytes already.
 */
export function upload(
  path: string,
  file: File,
  onProgress: (sent: number) => void,
  signal: AbortSignal,
): Promise<{ isKnown: boolean }> {
  return new Promise((done, fail) => {
    const request = new XMLHttpRequest();
    request.open("POST", PATH + path);
    request.responseType = "json";
    request.upload.onprogress = (event) => onProgress(event.loaded);
    request.onload = () => {
      if (request.status === 401) signIn();
      if (request.status === 200 || request.status === 201) done({ isKnown: request.status === 200 });
      else
        fail(new Failure(request.status, request.response ?? {}, request.getResponseHeader("x-request-id")));
    };
    request.onerror = () => fail(new TypeError("the connection was lost"));
    request.onabort = () => fail(new DOMException("stopped", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    const form = new FormData();
    form.append("file", file, file.name);
    request.send(form);
  });
}
