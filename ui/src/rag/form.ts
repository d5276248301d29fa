import { parseObject, pretty } from "../kit/json";
import type { Database, NewDatabase } from "./queries";

/** How a database is made, as it is typed. */
export const formOf = (it: Database) => ({
  display_name: it.display_name,
  description: it.description,
  embedding_model: it.embedding_model,
  chunk_size: String(it.chunk_size),
  chunk_overlap: String(it.chunk_overlap),
  chunker: String(it.chunker),
  chunk_unit: String(it.chunk_unit),
  mode: String(it.search.mode ?? "hybrid"),
  top_k: String(it.search.top_k ?? 5),
  store: String(it.vector_store_type),
  config: Object.keys(it.vector_store_config).length > 0 ? pretty(it.vector_store_config) : "",
  scopes: it.scopes,
  metadata: Object.keys(it.metadata).length > 0 ? pretty(it.metadata) : "",
});

export function bodyOf(form: ReturnType<typeof formOf>): Partial<NewDatabase> {
  const object = (text: string) => {
    const parsed = parseObject(text);
    return ("value" in parsed && parsed.value) || {};
  };
  return {
    display_name: form.display_name,
    description: form.description,
    embedding_model: form.embedding_model,
    chunk_size: Number(form.chunk_size),
    chunk_overlap: Number(form.chunk_overlap),
    chunker: form.chunker as NewDatabase["chunker"] & string,
    chunk_unit: form.chunk_unit as NewDatabase["chunk_unit"] & string,
    search: { mode: form.mode, top_k: Number(form.top_k) } as NonNullable<NewDatabase["search"]>,
    vector_store_type: form.store as "embedded",
    vector_store_config: object(form.config),
    scopes: [...form.scopes],
    metadata: object(form.metadata),
  };
}
