/**
 * Whether a key belongs to an input method that is at work: the Enter that confirms what it made is not one of ours.
 * Some browsers say so only by a code, when it is over already.
 */
export const isComposing = ({ nativeEvent: it }: { nativeEvent: KeyboardEvent }) =>
  it.isComposing || it.keyCode === 229;

/** Whether a key goes into something that somebody writes in. Of what happens in an editor, the page sees its host only. */
export function isTyping(event: KeyboardEvent): boolean {
  const [target] = event.composedPath();
  return (
    target instanceof Element && target.closest("input, textarea, select, [contenteditable], dialog") !== null
  );
}
