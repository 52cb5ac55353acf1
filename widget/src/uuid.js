/** Random ids. `crypto.randomUUID` exists only in secure contexts, so it is not used. */

let lastMs = 0;

/** Makes a UUIDv4, for visitors and sessions. */
export const uuid4 = () => format(crypto.getRandomValues(new Uint8Array(16)), 0x40);

/**
 * Makes a UUIDv7, for events. Ids of one page sort in the order they were made: two never share
 * a millisecond.
 *
 * Source: RFC 9562, 5.7.
 * @param {number} now_ms
 */
export function uuid7(now_ms) {
  lastMs = Math.max(now_ms, lastMs + 1);
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  new DataView(bytes.buffer).setUint32(0, Math.floor(lastMs / 0x10000));
  new DataView(bytes.buffer).setUint16(4, lastMs % 0x10000);
  return format(bytes, 0x70);
}

/**
 * Returns the Unix time in milliseconds inside a UUIDv7.
 * @param {string} id
 */
export const instantOf = (id) => parseInt(id.slice(0, 8) + id.slice(9, 13), 16);

/** @param {Uint8Array} bytes @param {number} version */
function format(bytes, version) {
  bytes[6] = (bytes[6] & 0x0f) | version;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
