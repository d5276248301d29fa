// What a script finds beside the language. It gets `native` from the engine; the script never does.
(native) => {
  'use strict';
  const { Array, ArrayBuffer, BigInt, Boolean, Error, JSON, Map, Number, Object, Promise, Set, String, TypeError, Uint8Array } = globalThis;

  const hide = (name, value) =>
    Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });

  const toBase64 = Function.prototype.call.bind(Uint8Array.prototype.toBase64);
  const decode = (bytes, fatal) => native.decode(toBase64(bytes), fatal);

  // --- Requests -------------------------------------------------------------------------------
  const waiting = new Map();

  class Headers {
    #list = new Map();
    constructor(init = {}) {
      const pairs = init instanceof Headers || Array.isArray(init) ? [...init] : Object.entries(init);
      for (const [name, value] of pairs) this.append(name, value);
    }
    append(name, value) {
      const before = this.get(name);
      this.set(name, before === null ? value : `${before}, ${value}`);
    }
    set(name, value) { this.#list.set(`${name}`.toLowerCase(), `${value}`.trim()); }
    get(name) { return this.#list.get(`${name}`.toLowerCase()) ?? null; }
    has(name) { return this.#list.has(`${name}`.toLowerCase()); }
    delete(name) { this.#list.delete(`${name}`.toLowerCase()); }
    forEach(each) { for (const [name, value] of this) each(value, name, this); }
    entries() { return this[Symbol.iterator](); }
    keys() { return this.#list.keys(); }
    values() { return this.#list.values(); }
    [Symbol.iterator]() { return this.#list.entries(); }
  }

  class Response {
    #body;
    constructor(head, body) {
      this.#body = body;
      this.status = head.status;
      this.ok = head.status >= 200 && head.status < 300;
      this.url = head.url;
      this.headers = new Headers(head.headers);
      this.bodyUsed = false;
    }
    #take() {
      if (this.bodyUsed) throw new TypeError('the body was read already');
      this.bodyUsed = true;
      return this.#body;
    }
    async bytes() {
      const body = this.#take();
      return typeof body === 'string' ? native.encode(body) : body;
    }
    async arrayBuffer() { return (await this.bytes()).buffer; }
    async text() {
      const body = this.#take();
      return typeof body === 'string' ? body : decode(body, false);
    }
    /** Whole numbers beyond 2^53 come as BigInt. */
    async json() { return parse(await this.text()); }
  }

  /** A body, whether it is in base64, and what it is called if nobody says otherwise. */
  const packed = (body) => {
    if (body === undefined || body === null) return ['', false];
    if (typeof body === 'string') return [body.toWellFormed(), false, 'text/plain;charset=UTF-8'];
    if (body instanceof ArrayBuffer) return [toBase64(new Uint8Array(body)), true];
    if (ArrayBuffer.isView(body)) return [toBase64(new Uint8Array(body.buffer, body.byteOffset, body.byteLength)), true];
    if (body[Symbol.toStringTag] === 'URLSearchParams') return [`${body}`, false, 'application/x-www-form-urlencoded;charset=UTF-8'];
    throw new TypeError('a body is a text, bytes or URLSearchParams: use JSON.stringify for an object');
  };

  const fetch = async (url, init = {}) => {
    const headers = new Headers(init.headers);
    const [body, isBase64, type] = packed(init.body);
    if (type !== undefined && !headers.has('content-type')) headers.set('content-type', type);
    const method = `${init.method ?? 'GET'}`.toUpperCase();
    if (body !== '' && (method === 'GET' || method === 'HEAD')) throw new TypeError(`a ${method} has no body`);
    const head = JSON.stringify({ method, url: `${url}`, headers: [...headers] });
    const number = native.send(head.toWellFormed(), body, isBase64);
    return new Promise((resolve, reject) => waiting.set(number, { resolve, reject }));
  };

  const deliver = (number, head, body) => {
    const { resolve, reject } = waiting.get(number);
    waiting.delete(number);
    if (head === null) reject(new TypeError(body));
    else resolve(new Response(JSON.parse(head), body));
  };

  // --- Timers ---------------------------------------------------------------------------------
  const timers = new Map();
  let timer = 0;
  const set = (again) => (callback, after = 0, ...rest) => {
    if (typeof callback !== 'function') throw new TypeError('a timer needs a function');
    timer += 1;
    const own = timer;
    native.timer(own, Number(after) || 0);
    timers.set(own, () => {
      if (again) native.timer(own, Math.max(1, Number(after) || 0));
      else timers.delete(own);
      callback(...rest);
    });
    return own;
  };
  const clear = (own) => { if (timers.delete(own)) native.clearTimer(own); };
  const fire = (own) => timers.get(own)?.();
  hide('setTimeout', set(false));
  hide('setInterval', set(true));
  hide('clearTimeout', clear);
  hide('clearInterval', clear);

  // --- The console ----------------------------------------------------------------------------
  const show = (value) => {
    if (typeof value === 'string') return value;
    if (value instanceof Error) return `${value.name}: ${value.message}`;
    if (typeof value === 'function') return `[function ${value.name}]`;
    try {
      return JSON.stringify(value, (_, it) => (typeof it === 'bigint' ? `${it}n` : it)) ?? String(value);
    } catch {
      return String(value);
    }
  };
  const say = (level) => (...values) => native.log(level, values.map(show).join(' ').toWellFormed());
  hide('console', { debug: say(0), trace: say(0), log: say(1), info: say(1), warn: say(2), error: say(3) });

  // --- What most scripts do without, and is made when it is asked for ---------------------------
  let extras;
  for (const name of ['URL', 'URLSearchParams', 'TextEncoder', 'TextDecoder', 'structuredClone', 'crypto']) {
    Object.defineProperty(globalThis, name, {
      configurable: true,
      get() {
        extras ??= native.extras()(native, decode);
        hide(name, extras[name]);
        return extras[name];
      },
      set(value) { hide(name, value); },
    });
  }
  hide('Headers', Headers);
  hide('fetch', fetch);

  // --- Values in and out ------------------------------------------------------------------------
  const safe = Number.isSafeInteger;
  const parse = (text) => JSON.parse(text, (_, value, context) =>
    typeof value === 'number' && !safe(value) && /^-?\d+$/.test(context.source) ? BigInt(context.source) : value);
  const digits = (number) => String(number);
  const wellFormed = (text) => text.toWellFormed();
  /** What is told of an object. */
  const told = (value) => {
    if (typeof value.toJSON === 'function') return value.toJSON();
    if (value instanceof Number || value instanceof String || value instanceof Boolean) return value.valueOf();
    return value;
  };
  /** Why it is not told at all: JSON would make `{}` of it, and nobody would notice. */
  const unfit = (value) => {
    if (value instanceof Map) return 'is a Map: use Object.fromEntries';
    if (value instanceof Set) return 'is a Set: use an array';
    if (value instanceof Promise) return 'is a Promise: await it';
    if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return 'is bytes: use a text';
    if (value instanceof Error) return 'is an Error: throw it, or use its message';
    return undefined;
  };

  /** How far the call is, of how much, and what is being done. Numbers that are none are not heard. */
  const progress = (done, total, message) => {
    const said = { done: Number(done), total: total == null ? null : Number(total), message: message == null ? null : `${message}` };
    native.progress(JSON.stringify(said).toWellFormed());
  };

  const ctx = { fetch, progress };
  const start = async (main, input) => {
    if (typeof main === 'function') return main(input, ctx);
    if (typeof main?.execute === 'function') return main.execute({ context: input }, ctx);
    throw new TypeError('the default export must be a function, or an object with a function `execute`');
  };

  return { start, deliver, fire, parse, digits, wellFormed, told, unfit };
}
