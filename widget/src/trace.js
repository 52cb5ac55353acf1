/**
 * A diary for the debug overlay. Only `widget-debug.js` keeps one; the build takes all of it out of
 * the file that shoppers load.
 *
 * Kinds: `config` (the settings) · `consent` (state, and what each source says) · `event` (the event
 * and its `source`) · `repeated` (a fact told before) · `answer` (ids and the
 * status; 0 when none came) · `arm` · `slate` (question and answer) · `slot` · `fault` (an error).
 */

/** @typedef {{at_ms: number, kind: string, detail: unknown}} TraceRecord */

const MAX_RECORDS = 200;

/** @type {TraceRecord[]} */
export const diary = [];

/**
 * @param {string} kind
 * @param {unknown} detail
 */
export const trace = DEBUG
  ? (/** @type {string} */ kind, /** @type {unknown} */ detail) => {
      if (diary.push({ at_ms: Date.now(), kind, detail }) > MAX_RECORDS) diary.shift();
    }
  : (/** @type {string} */ _kind, /** @type {unknown} */ _detail) => {};
