import { type Raw, textIn } from "../kit/search";

export interface ExplorerSearch {
  /** The operation that is shown, by its id. */
  op?: string | undefined;
}

export const explorerSearch = (raw: Raw): ExplorerSearch => ({ op: textIn(raw, "op") });
