import { useEffect, useMemo, useRef, useState } from "react";
import { upload } from "../api/upload";
import { Button } from "../kit/Button";
import { plural, size } from "../kit/format";
import { Icon } from "../kit/Icon";
import s from "./Rag.module.css";
import { filesOf, totalOf, type Upload, Uploads } from "./uploads";

/** Files and folders are dropped here, or chosen. */
export function Drop({ name, onUploaded }: { name: string; onUploaded: () => void }) {
  const [all, setAll] = useState<readonly Upload[]>([]);
  const [isOver, setOver] = useState(false);
  const told = useRef(onUploaded);
  told.current = onUploaded;
  const uploads = useMemo(
    () =>
      new Uploads(
        async (file, onProgress, signal) => {
          const sent = await upload(
            `/rag/databases/${encodeURIComponent(name)}/documents`,
            file,
            onProgress,
            signal,
          );
          told.current();
          return sent;
        },
        (now) => setAll(now),
      ),
    [name],
  );
  useEffect(() => () => uploads.cancel(), [uploads]);
  const total = totalOf(all);
  const isBusy = total.over < total.files;
  return (
    <section
      className={s.drop}
      aria-label="Upload"
      data-over={isOver || undefined}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        filesOf(event.dataTransfer.items).then((files) => uploads.add(files));
      }}
    >
      <div className={s.ask}>
        <Icon name="upload" />
        <p>
          Drop files or folders here, or{" "}
          <label>
            choose files
            <input
              type="file"
              multiple
              className="vh"
              onChange={(event) => {
                uploads.add([...(event.target.files ?? [])]);
                event.target.value = "";
              }}
            />
          </label>
          . The same file twice is kept once.
        </p>
      </div>
      {total.files > 0 && (
        <>
          <div className={s.total} role="status">
            <span className="small">
              {total.over} of {plural(total.files, "file")}
              {total.failed > 0 && <span className="badtxt">, {total.failed} failed</span>}
            </span>
            <progress aria-label="Uploaded" value={total.sent} max={Math.max(total.bytes, 1)} />
            {isBusy ? (
              <span className="small dim">{size(total.bytes)}</span>
            ) : (
              <Button small look="quiet" onClick={() => uploads.clear()}>
                Clear
              </Button>
            )}
          </div>
          <ul className={s.files}>
            {all
              .filter((it) => it.state !== "done")
              .map((it) => (
                <li key={it.key}>
                  <span className="cut grow">{it.name}</span>
                  {it.state === "failed" ? (
                    <span className="badtxt">{it.error}</span>
                  ) : (
                    <span className="dim">
                      {it.state === "known"
                        ? "is there already"
                        : it.state === "sending"
                          ? `${size(it.sent)} of ${size(it.bytes)}`
                          : "waits"}
                    </span>
                  )}
                </li>
              ))}
          </ul>
        </>
      )}
    </section>
  );
}
