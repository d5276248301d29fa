// What most scripts do without.
(native, decode) => {
  'use strict';

  class URLSearchParams {
    #pairs = [];
    #changed = () => {};
    constructor(init = '', changed) {
      if (typeof init === 'string') this.#pairs = native.readQuery(init.replace(/^\?/, ''));
      else if (typeof init[Symbol.iterator] === 'function') this.#pairs = Array.from(init, ([name, value]) => [`${name}`, `${value}`]);
      else this.#pairs = Object.entries(init).map(([name, value]) => [name, `${value}`]);
      if (typeof changed === 'function') this.#changed = changed;
    }
    get size() { return this.#pairs.length; }
    get(name) { return this.#pairs.find(([own]) => own === `${name}`)?.[1] ?? null; }
    getAll(name) { return this.#pairs.filter(([own]) => own === `${name}`).map(([, value]) => value); }
    has(name) { return this.#pairs.some(([own]) => own === `${name}`); }
    append(name, value) { this.#pairs.push([`${name}`, `${value}`]); this.#changed(this); }
    delete(name) { this.#pairs = this.#pairs.filter(([own]) => own !== `${name}`); this.#changed(this); }
    set(name, value) {
      const first = this.#pairs.findIndex(([own]) => own === `${name}`);
      const rest = this.#pairs.filter(([own], index) => own !== `${name}` || index === first);
      if (first < 0) rest.push([`${name}`, `${value}`]);
      else rest[rest.findIndex(([own]) => own === `${name}`)] = [`${name}`, `${value}`];
      this.#pairs = rest;
      this.#changed(this);
    }
    sort() { this.#pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)); this.#changed(this); }
    forEach(each) { for (const [name, value] of this.#pairs) each(value, name, this); }
    *entries() { for (const [name, value] of this.#pairs) yield [name, value]; }
    *keys() { for (const [name] of this.#pairs) yield name; }
    *values() { for (const [, value] of this.#pairs) yield value; }
    [Symbol.iterator]() { return this.entries(); }
    toString() { return native.writeQuery(this.#pairs); }
    get [Symbol.toStringTag]() { return 'URLSearchParams'; }
  }

  const PARTS = ['href', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search', 'hash', 'origin'];
  class URL {
    #parts;
    #query;
    constructor(url, base) {
      this.#parts = base === undefined ? native.url(`${url}`) : native.url(`${url}`, `${base}`);
    }
    static canParse(url, base) {
      try { return new URL(url, base) instanceof URL; } catch { return false; }
    }
    static part(url, index) { return url.#parts[index]; }
    static change(url, part, value) {
      url.#parts = part === 'href' ? native.url(`${value}`) : native.setUrl(url.#parts[0], part, `${value}`);
      url.#query = undefined;
    }
    get searchParams() {
      this.#query ??= new URLSearchParams(this.search, (query) => {
        this.#parts = native.setUrl(this.#parts[0], 'search', `${query}`);
      });
      return this.#query;
    }
    toString() { return this.#parts[0]; }
    toJSON() { return this.#parts[0]; }
  }
  const { part, change } = URL;
  delete URL.part;
  delete URL.change;
  PARTS.forEach((name, index) => Object.defineProperty(URL.prototype, name, {
    configurable: true,
    enumerable: true,
    get() { return part(this, index); },
    set: name === 'origin' ? undefined : function (value) { change(this, name, value); },
  }));

  class TextEncoder {
    get encoding() { return 'utf-8'; }
    encode(text = '') { return native.encode(`${text}`.toWellFormed()); }
  }
  class TextDecoder {
    #fatal;
    constructor(label = 'utf-8', { fatal = false } = {}) {
      if (!['utf-8', 'utf8'].includes(`${label}`.toLowerCase())) throw new RangeError('only utf-8 is known');
      this.#fatal = fatal === true;
    }
    get encoding() { return 'utf-8'; }
    decode(bytes = new Uint8Array()) {
      const view = bytes instanceof ArrayBuffer ? new Uint8Array(bytes) : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const text = decode(view, this.#fatal);
      return text.startsWith('\ufeff') ? text.slice(1) : text;
    }
  }

  const structuredClone = (value) => {
    const seen = new Map();
    const keep = (from, to) => { seen.set(from, to); return to; };
    const copy = (it) => {
      if (typeof it === 'function' || typeof it === 'symbol') throw new TypeError(`a ${typeof it} cannot be cloned`);
      if (typeof it !== 'object' || it === null) return it;
      if (seen.has(it)) return seen.get(it);
      if (it instanceof Date) return keep(it, new Date(it.getTime()));
      if (it instanceof RegExp) return keep(it, new RegExp(it.source, it.flags));
      if (it instanceof ArrayBuffer) return keep(it, it.slice(0));
      if (ArrayBuffer.isView(it)) return keep(it, new it.constructor(copy(it.buffer), it.byteOffset, it.length ?? it.byteLength));
      if (it instanceof Error) return keep(it, Object.assign(new it.constructor(it.message), { stack: it.stack }));
      if (it instanceof Map) {
        const to = keep(it, new Map());
        for (const [name, member] of it) to.set(copy(name), copy(member));
        return to;
      }
      if (it instanceof Set) {
        const to = keep(it, new Set());
        for (const member of it) to.add(copy(member));
        return to;
      }
      const to = keep(it, Array.isArray(it) ? new Array(it.length) : {});
      for (const name of Object.keys(it)) Object.defineProperty(to, name, { value: copy(it[name]), writable: true, enumerable: true, configurable: true });
      return to;
    };
    return copy(value);
  };

  const crypto = {
    getRandomValues(into) { into.set(native.random(into.length)); return into; },
    randomUUID() {
      const bytes = native.random(16);
      bytes[6] = (bytes[6] & 0x0f) | 0x40;
      bytes[8] = (bytes[8] & 0x3f) | 0x80;
      const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
      return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
    },
  };

  return { URL, URLSearchParams, TextEncoder, TextDecoder, structuredClone, crypto };
}
