/** What the pure files need of a browser, for Node: a storage, a document that can be hidden. */

import { webcrypto } from "node:crypto";

globalThis.crypto ??= webcrypto;
globalThis.DEBUG = false;
const setTimer = globalThis.setTimeout;
const timers = [];

/** Behaves like localStorage: strings only, its keys its own, optionally limited in number. */
export class MemoryStorage {
  #limit;

  constructor(limit = Infinity) {
    this.#limit = limit;
  }

  getItem(key) {
    return Object.hasOwn(this, key) ? this[key] : null;
  }

  setItem(key, value) {
    const isFull = this.#limit < Infinity && sizeOf(this) >= this.#limit;
    if (isFull && !Object.hasOwn(this, key)) throw new Error("QuotaExceeded");
    this[key] = String(value);
  }

  removeItem(key) {
    delete this[key];
  }
}

/** Returns the number of entries of a storage. */
export const sizeOf = (storage) => Object.keys(storage).length;

/** A storage that a browser forbids: every use throws. */
export const forbiddenStorage = new Proxy(
  {},
  {
    get() {
      throw new Error("SecurityError");
    },
    ownKeys() {
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
  // As in a browser, timers end with their page; gathering events takes no time here.
  timers.splice(0).forEach(clearTimeout);
  globalThis.setTimeout = (action, delay_ms) => {
    const timer = setTimer(action, delay_ms === 2000 ? 5 : delay_ms).unref();
    timers.push(timer);
    return timer;
  };
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
