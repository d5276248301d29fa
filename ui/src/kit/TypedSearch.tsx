import { useEffect, useRef, useState } from "react";
import { Search } from "./Field";

interface Props {
  label: string;
  placeholder: string;
  value: string | undefined;
  onChange: (value: string | undefined) => void;
}

/** A search that begins when somebody has stopped typing. */
export function TypedSearch({ value, onChange, ...rest }: Props) {
  const [text, setText] = useState(value ?? "");
  useEffect(() => setText(value ?? ""), [value]);
  const change = useRef(onChange);
  change.current = onChange;
  useEffect(() => {
    if (text.trim() === (value ?? "")) return;
    const timer = setTimeout(() => change.current(text.trim() || undefined), 300);
    return () => clearTimeout(timer);
  }, [text, value]);
  return <Search {...rest} value={text} onChange={setText} />;
}
