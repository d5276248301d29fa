import type { components } from "../api/schema";

type Content = NonNullable<components["schemas"]["Execute"]["input"]>;

/** What is said: a text, or with images a list of parts. */
export function contentFor(text: string, images: readonly string[]): Content {
  if (images.length === 0) return text;
  const parts = images.map((url) => ({ type: "image" as const, url }));
  return text === "" ? parts : [{ type: "text", text }, ...parts];
}

/** The images among the parts of a message, as far as they stand in it: nothing is asked of other servers. */
export function imagesOf(input: unknown): string[] {
  if (!Array.isArray(input)) return [];
  return input
    .filter((it) => (it as { type?: string }).type === "image")
    .map((it) => String((it as { url?: unknown }).url))
    .filter((url) => /^data:image\/(png|jpeg|gif|webp);base64,/.test(url));
}

/** The same content, fit to be shown as a call: of images only the beginning. */
export const shortened = (content: Content): Content =>
  typeof content === "string"
    ? content
    : content.map((it) => (it.type === "image" ? { ...it, url: `${it.url.slice(0, 40)}…` } : it));

/** The sides that fit into a square of `most`, in the same proportion. */
export function fitted(width: number, height: number, most: number): [width: number, height: number] {
  const share = Math.min(1, most / Math.max(width, height, 1));
  return [Math.max(1, Math.round(width * share)), Math.max(1, Math.round(height * share))];
}

/** Models see no more than this of an image, and a request has a megabyte. */
const MOST_PIXELS = 1568;
const MOST_BYTES = 300_000;

/** An image as a `data:` URL; a large one as a smaller JPEG. */
export async function readImage(file: File): Promise<string> {
  const isSmall = file.size <= MOST_BYTES && /^image\/(png|jpeg|gif|webp)$/.test(file.type);
  if (isSmall) return dataUrl(file);
  const bitmap = await createImageBitmap(file);
  const [width, height] = fitted(bitmap.width, bitmap.height, MOST_PIXELS);
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d")?.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  return dataUrl(await canvas.convertToBlob({ type: "image/jpeg", quality: 0.8 }));
}

const dataUrl = (blob: Blob) =>
  new Promise<string>((done, fail) => {
    const reader = new FileReader();
    reader.onload = () => done(String(reader.result));
    reader.onerror = () => fail(reader.error);
    reader.readAsDataURL(blob);
  });
