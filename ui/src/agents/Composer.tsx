import { type ReactNode, useRef, useState } from "react";
import { Button } from "../kit/Button";
import { parseObject } from "../kit/json";
import { isComposing } from "../kit/keys";
import { readImage } from "./images";
import s from "./Playground.module.css";

interface ComposerProps {
  name: string;
  isDisabled: boolean;
  isBusy: boolean;
  wantsContext: boolean;
  onStop: () => void;
  /** Of a narrow screen. */
  onPanel?: (panel: "threads" | "run") => void;
  onSend: (said: Said) => Promise<boolean>;
  /** More to do, at the left. */
  children?: ReactNode;
}

/** Something that is said. */
export interface Said {
  text: string;
  images: readonly string[];
  context: Record<string, unknown> | null;
}

/** Where one writes: a text, images, and the context that an agent may want. */
export function Composer(props: ComposerProps) {
  const { name, isDisabled, isBusy, wantsContext, onStop, onPanel, onSend, children } = props;
  const [images, setImages] = useState<readonly string[]>([]);
  const [isUnread, setUnread] = useState(false);
  const chooser = useRef<HTMLInputElement>(null);
  const [text, setText] = useState("");
  const [context, setContext] = useState("");
  const [showsContext, setShowsContext] = useState(wantsContext);
  const [isSending, setSending] = useState(false);
  const parsed = parseObject(context);
  const error = "error" in parsed ? parsed.error : isUnread ? "That image cannot be read" : null;
  const isEmpty = text.trim() === "" && images.length === 0;
  const send = async () => {
    if (isEmpty || isSending || isDisabled || error) return;
    setSending(true);
    // What was typed is kept until the server has it.
    const isSent = await onSend({
      text: text.trim(),
      images,
      context: "value" in parsed ? parsed.value : null,
    });
    if (isSent) {
      setText("");
      setImages([]);
    }
    setSending(false);
  };
  const add = async (files: Iterable<File> | null | undefined) => {
    const wanted = [...(files ?? [])].filter((it) => it.type.startsWith("image/"));
    setUnread(false);
    try {
      const read = await Promise.all(wanted.map(readImage));
      setImages((before) => [...before, ...read]);
    } catch {
      setUnread(true);
    }
  };
  return (
    <form
      className={s.compose}
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        add(event.dataTransfer.files);
      }}
    >
      <Images images={images} onRemove={(at) => setImages(images.filter((_, it) => it !== at))} />
      <textarea
        aria-label={`Write to ${name}`}
        placeholder={isDisabled ? "Talking to agents needs agent.execute" : `Write to ${name}`}
        dir="auto"
        rows={2}
        disabled={isDisabled}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onPaste={(event) => {
          if (event.clipboardData.files.length === 0) return;
          event.preventDefault();
          add(event.clipboardData.files);
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter" && !event.shiftKey && !isComposing(event)) {
            event.preventDefault();
            send();
          }
        }}
      />
      {showsContext && (
        <textarea
          className={s.context}
          aria-label="Context, a JSON object"
          placeholder='Context: {"customer_name": "Aino"}'
          rows={2}
          spellCheck={false}
          value={context}
          onChange={(event) => setContext(event.target.value)}
        />
      )}
      <div className="row wrap">
        <Button
          small
          look="quiet"
          icon="braces"
          aria-pressed={showsContext}
          onClick={() => setShowsContext((it) => !it)}
        >
          Context
        </Button>
        <Button
          small
          look="quiet"
          icon="image"
          aria-label="Add images"
          disabled={isDisabled}
          onClick={() => chooser.current?.click()}
        />
        <input
          ref={chooser}
          type="file"
          hidden
          multiple
          accept="image/*"
          aria-label="Images"
          onChange={(event) => {
            add(event.target.files);
            event.target.value = "";
          }}
        />
        {children}
        {onPanel && (
          <span className="only-n row">
            <Button
              small
              look="quiet"
              icon="message-square"
              aria-label="Threads"
              onClick={() => onPanel("threads")}
            />
            <Button small look="quiet" icon="info" aria-label="This run" onClick={() => onPanel("run")} />
          </span>
        )}
        {error && <span className="small badtxt cut">{error}</span>}
        <span className="end row">
          {isBusy && <span className="small dim hide-n">Sent messages wait until this run ends</span>}
          {isBusy && (
            <Button small icon="circle-stop" onClick={onStop}>
              Stop
            </Button>
          )}
          <Button
            type="submit"
            look="primary"
            icon="arrow-up"
            aria-label="Send"
            disabled={isDisabled || isSending || isEmpty}
          />
        </span>
      </div>
    </form>
  );
}

/** Images that go with a message. */
export function Images({ images, onRemove }: { images: readonly string[]; onRemove?: (at: number) => void }) {
  if (images.length === 0) return null;
  return (
    <ul className={s.images} aria-label="Images">
      {images.map((url, at) => (
        <li key={at}>
          <img src={url} alt={`Number ${at + 1}`} />
          {onRemove && (
            <Button small icon="x" aria-label={`Remove image ${at + 1}`} onClick={() => onRemove(at)} />
          )}
        </li>
      ))}
    </ul>
  );
}
