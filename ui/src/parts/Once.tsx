import { useState } from "react";
import { Button } from "../kit/Button";
import { Check } from "../kit/Field";
import { Dialog } from "../kit/Messages";
import s from "./Once.module.css";

interface Props {
  title: string;
  /** What goes with it: an id, a name. */
  beside: readonly (readonly [name: string, value: string])[];
  label: string;
  secret: string;
  onClose: () => void;
}

/** A secret, shown this once: it closes when somebody says that he has it. */
export function Once({ title, beside, label, secret, onClose }: Props) {
  const [isStored, setStored] = useState(false);
  const [isCopied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(secret);
    setCopied(true);
  };
  return (
    <Dialog
      title={title}
      holds
      onClose={() => {}}
      onSubmit={() => isStored && onClose()}
      footer={
        <>
          <Button look={isCopied ? "plain" : "primary"} icon={isCopied ? "check" : "copy"} onClick={copy}>
            {isCopied ? "Copied" : `Copy ${label.toLowerCase()}`}
          </Button>
          <Button type="submit" disabled={!isStored}>
            Close
          </Button>
        </>
      }
    >
      <p className="sub">This is the only time it is shown. The server keeps a hash of it.</p>
      <div className={s.once}>
        {beside.map(([name, value]) => (
          <div key={name}>
            <span className="small dim">{name}</span>
            <code>{value}</code>
          </div>
        ))}
        <div className={s.key}>
          <span className="small sub">{label}</span>
          <code>{secret}</code>
        </div>
      </div>
      <Check label="I have stored it" checked={isStored} onChange={setStored} />
    </Dialog>
  );
}
