/** What the pure files need of a browser, for Node: a storage, a document that can be hidden. */

import { webcrypto } from "node:crypto";

globalThis.crypto ??= webcrypto;
const setTimer = globalThis.setTimeout;

/** Behaves like localStorage: strings only, optionally with a limited number of entries. */
export class MemoryStorage {
  #entries = new Map();

  constructor(limit = Infinity) {
    this.limit = limit;
  }

  get length() {
    return this.#entries.size;
  }

  key(index) {
    return [...this.#entries.keys()][index] ?? null;
  }

  getItem(key) {
    return this.#entries.get(key) ?? null;
  }

  setItem(key, value) {
    if (!this.#entries.has(key) && this.length >= this.limit) throw new Error("QuotaExceeded");
    this.#entries.set(key, String(value));
  }

  removeItem(key) {
    this.#entries.delete(key);
  }
}

/** A storage that a browser forbids: every use throws. */
export const forbiddenStorage = new Proxy(
  {},
  {
    get() {
      throw new Error("SecurityError");
    },
  },
);

/** Puts a document and a window in place whose events a test can fire. */
export function openPage() {
  const page = { document: new EventTarget(), window: new EventTarget() };
  page.document.visibilityState = "visible";
  Object.assign(globalThis, page);
  setNavigator({});
  // As in a browser, a timer that still runs keeps nobody from leaving.
  globalThis.setTimeout = (...told) => setTimer(...told).unref();
  globalThis.location = { pathname: "/somewhere" };
  return {
    ...page,
    hide() {
      page.document.visibilityState = "hidden";
      page.document.dispatchEvent(new Event("visibilitychange"));
      page.window.dispatchEvent(new Event("pagehide"));
    },
  };
}

/** Newer versions of Node have a read-only navigator of their own. */
export function setNavigator(value) {
  Object.defineProperty(globalThis, "navigator", { configurable: true, value });
}
