/**
 * Everything the widget remembers, under one prefix; in memory while nothing may be kept.
 *
 * A storage that is missing, full or forbidden is no error: values then live as long as the page.
 * Each queued event has a key of its own, so tabs never overwrite each other's lists.
 */

/** @import {KeyValueStorage} from "./types.js" */

import { attempt } from "./guard.js";

const PREFIX = "rcm_";

/** @typedef {ReturnType<typeof openStore>} Store */

/**
 * @param {KeyValueStorage | null} told Where values go while they may be kept. Using none fails
 *   like using a forbidden one.
 */
export function openStore(told) {
  const storage = /** @type {KeyValueStorage} */ (told);
  /** @type {Map<string, string>} */
  const memory = new Map();
  let kept = false;

  /** @param {string} key */
  const readStorage = (key) => attempt(() => storage.getItem(PREFIX + key));

  /** @param {string} key */
  const read = (key) => memory.get(key) ?? (kept ? readStorage(key) : null);

  /** @param {string} key @param {string} text */
  function write(key, text) {
    memory.set(key, text);
    attempt(() => {
      if (!kept) return;
      storage.setItem(PREFIX + key, text);
      memory.delete(key);
    });
  }

  const storedKeys = () =>
    (attempt(() => Object.keys(storage)) ?? [])
      .filter((key) => key.startsWith(PREFIX))
      .map((key) => key.slice(PREFIX.length));

  /** @param {string} key */
  function remove(key) {
    memory.delete(key);
    attempt(() => storage.removeItem(PREFIX + key));
  }

  return {
    /**
     * @param {string} key
     * @returns {any} null when absent or unreadable.
     */
    get: (key) => parse(read(key)),
    /**
     * Returns a value as the JSON it is kept as.
     * @param {string} key
     */
    read,
    /**
     * Reads storage although nothing may be kept yet: for the shopper's own choice.
     * @param {string} key
     */
    peek: (key) => parse(readStorage(key)),
    /** @param {string} key @param {unknown} value */
    set: (key, value) => write(key, JSON.stringify(value)),
    remove,
    /** @param {string} prefix */
    keys: (prefix) =>
      [...memory.keys(), ...(kept ? storedKeys() : [])]
        .filter((key) => key.startsWith(prefix))
        .sort(),
    /**
     * Goes on in storage, or in memory.
     * @param {boolean} allowed
     */
    keep(allowed) {
      kept = allowed;
    },
    /** Forgets everything, also what is stored. */
    wipe: () => [...memory.keys(), ...storedKeys()].forEach(remove),
  };
}

/** @param {string | null} text */
const parse = (text) => attempt(() => JSON.parse(text ?? "null"));
