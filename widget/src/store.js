/**
 * Everything the widget remembers, under one prefix; in memory while nothing may be kept.
 *
 * A storage that is missing, full or forbidden is no error: values then live as long as the page.
 * Each queued event has a key of its own, so tabs never overwrite each other's lists.
 */

/** @import {KeyValueStorage} from "./types.js" */

const PREFIX = "rcm_";

/** @typedef {ReturnType<typeof openStore>} Store */

/**
 * @param {KeyValueStorage | null} storage Where values go while they may be kept.
 */
export function openStore(storage) {
  /** @type {Map<string, string>} */
  const memory = new Map();
  let kept = false;

  /** @param {string} key */
  function readStorage(key) {
    try {
      return storage?.getItem(PREFIX + key) ?? null;
    } catch {
      return null;
    }
  }

  /** @param {string} key @param {string} text */
  function write(key, text) {
    try {
      if (!kept || !storage) throw storage;
      storage.setItem(PREFIX + key, text);
      memory.delete(key);
    } catch {
      memory.set(key, text);
    }
  }

  function storedKeys() {
    const keys = [];
    try {
      for (let i = 0; storage && i < storage.length; i++) {
        const key = storage.key(i);
        if (key?.startsWith(PREFIX)) keys.push(key.slice(PREFIX.length));
      }
    } catch {
      // As good as empty.
    }
    return keys;
  }

  /** @param {string} key */
  function remove(key) {
    memory.delete(key);
    try {
      storage?.removeItem(PREFIX + key);
    } catch {
      // Nothing was stored then.
    }
  }

  return {
    /**
     * @param {string} key
     * @returns {any} null when absent or unreadable.
     */
    get: (key) => parse(memory.get(key) ?? (kept ? readStorage(key) : null)),
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
      [...new Set([...memory.keys(), ...(kept ? storedKeys() : [])])]
        .filter((key) => key.startsWith(prefix))
        .sort(),
    /**
     * Moves everything to storage and goes on there, or goes on in memory.
     * @param {boolean} allowed
     */
    keep(allowed) {
      kept = allowed;
      if (kept) for (const [key, text] of [...memory]) write(key, text);
    },
    /** Forgets everything, and keeps nothing from now on. */
    wipe() {
      for (const key of [...memory.keys(), ...storedKeys()]) remove(key);
      kept = false;
    },
  };
}

/** @param {string | null | undefined} text */
function parse(text) {
  try {
    return JSON.parse(text ?? "null");
  } catch {
    return null;
  }
}
