/** Random ids. `crypto.randomUUID` exists only in secure contexts, so it is not used. */

let lastMs = 0;

/**
 * Makes a UUIDv7. Ids of one page sort in the order they were made: two never share a millisecond.
 * Of the variant's four forms the first is always taken.
 *
 * Source: RFC 9562, 5.7.
 * @param {number} now_ms
 */
export function uuid7(now_ms) {
  lastMs = Math.max(now_ms, lastMs + 1);
  let digits = lastMs.toString(16).padStart(12, "0");
  for (const byte of crypto.getRandomValues(new Uint8Array(10))) {
    digits += (byte + 256).toString(16).slice(1);
  }
  return digits.replace(/(.{8})(.{4}).(.{3}).(.{3})/, "$1-$2-7$3-8$4-");
}

/**
 * Returns the Unix time in milliseconds inside a UUIDv7.
 * @param {string} id
 */
export const instantOf = (id) => parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
