interface Place {
  pathname: string;
  search: unknown;
}

/**
 * What of an address says which editor is shown: the tab, and what a new definition begins as. The rest, such as the
 * entry that is open, is said within an editor. Where no tab is said and there is an editor, it is in the first one.
 */
function editorAt({ pathname, search }: Place): string {
  const { tab = "editor", from, kind } = search as Record<string, unknown>;
  return JSON.stringify([pathname, tab, from, kind]);
}

/** Whether whoever goes from one address to another leaves the editor that is shown there. */
export const isLeaving = (current: Place, next: Place) => editorAt(current) !== editorAt(next);
