import { failureOf } from "../api/problem";

/** A file on its way. */
export interface Upload {
  key: number;
  name: string;
  bytes: number;
  sent: number;
  state: "waiting" | "sending" | "done" | "known" | "failed";
  error: string | null;
}

type Send = (
  file: File,
  onProgress: (sent: number) => void,
  signal: AbortSignal,
) => Promise<{ isKnown: boolean }>;

/** So many files are sent at once. */
const AT_ONCE = 3;

/** Sends files, a few at once and in their order, and tells of each change. One that fails keeps no other back. */
export class Uploads {
  private readonly send: Send;
  private readonly onChange: (all: readonly Upload[]) => void;
  private readonly waiting: { upload: Upload; file: File }[] = [];
  private readonly stop = new AbortController();
  private all: readonly Upload[] = [];
  private busy = 0;
  private next = 0;

  constructor(send: Send, onChange: (all: readonly Upload[]) => void) {
    this.send = send;
    this.onChange = onChange;
  }

  add(files: readonly File[]) {
    for (const file of files) {
      const upload: Upload = {
        key: this.next++,
        name: file.name,
        bytes: file.size,
        sent: 0,
        state: "waiting",
        error: null,
      };
      this.all = [...this.all, upload];
      this.waiting.push({ upload, file });
    }
    this.onChange(this.all);
    while (this.busy < AT_ONCE && this.waiting.length > 0) this.work();
  }

  /** Forgets what is over. */
  clear() {
    this.all = this.all.filter((it) => it.state === "waiting" || it.state === "sending");
    this.onChange(this.all);
  }

  cancel() {
    this.waiting.length = 0;
    this.stop.abort();
  }

  private async work() {
    this.busy++;
    for (let it = this.waiting.shift(); it; it = this.waiting.shift()) {
      const { key } = it.upload;
      this.change(key, { state: "sending" });
      try {
        const { isKnown } = await this.send(it.file, (sent) => this.change(key, { sent }), this.stop.signal);
        this.change(key, { state: isKnown ? "known" : "done", sent: it.file.size });
      } catch (error) {
        this.change(key, { state: "failed", error: failureOf(error).title });
      }
    }
    this.busy--;
  }

  private change(key: number, change: Partial<Upload>) {
    this.all = this.all.map((it) => (it.key === key ? { ...it, ...change } : it));
    this.onChange(this.all);
  }
}

/** How far all of them are, in bytes. */
export function totalOf(uploads: readonly Upload[]) {
  const sum = (of: (it: Upload) => number) => uploads.reduce((total, it) => total + of(it), 0);
  return {
    files: uploads.length,
    over: uploads.filter((it) => ["done", "known", "failed"].includes(it.state)).length,
    failed: uploads.filter((it) => it.state === "failed").length,
    sent: sum((it) => (it.state === "failed" ? it.bytes : Math.min(it.sent, it.bytes))),
    bytes: sum((it) => it.bytes),
  };
}

/** All files of what was dropped, those in folders too. */
export async function filesOf(items: DataTransferItemList): Promise<File[]> {
  // All at once: after a pause the list is empty. What was dragged out of a page has no place in a folder.
  const dropped = [...items].map((it) => it.webkitGetAsEntry() ?? it.getAsFile()).filter((it) => it !== null);
  const found = await Promise.all(dropped.map((it) => (it instanceof File ? [it] : filesBelow(it))));
  return found.flat();
}

async function filesBelow(entry: FileSystemEntry): Promise<File[]> {
  if (entry.isFile)
    return [await new Promise<File>((found, fail) => (entry as FileSystemFileEntry).file(found, fail))];
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const files: File[] = [];
  for (;;) {
    // A reader gives some of them at a time, and none at the end.
    const some = await new Promise<FileSystemEntry[]>((found, fail) => reader.readEntries(found, fail));
    if (some.length === 0) return files;
    for (const it of some) files.push(...(await filesBelow(it)));
  }
}
