/**
 * Events that the server has not confirmed yet, oldest first; they survive reloads.
 *
 * The queue knows nothing of the network: it hands out batches and removes ids when told to.
 */

/** @import {WidgetEvent} from "./types.js" */
/** @import {Store} from "./store.js" */

import { instantOf } from "./uuid.js";

const PREFIX = "event_";
/** Some 300 bytes each: an eighth of what browsers give a shop, and twice the largest page. */
const MAX_EVENTS = 4000;
const MAX_AGE_MS = 7 * 24 * 3600 * 1000;
/** Browsers give 64 KiB for all that is in flight while a page closes, other scripts included. */
const MAX_BATCH_BYTES = 16 * 1024;
/** Room for what all events of a batch share. */
const ENVELOPE_BYTES = 200;

/** @typedef {ReturnType<typeof openQueue>} Queue */
/** @typedef {{ids: string[], texts: string[]}} Batch Ids, and each event's JSON. */

/** @param {Store} store */
export function openQueue(store) {
  /** @param {string[]} gone */
  const remove = (gone) => gone.forEach((id) => store.remove(PREFIX + id));

  return {
    remove,
    /** @param {WidgetEvent} event */
    add: (event) => store.set(PREFIX + event.event_id, event),
    /**
     * Returns the oldest events that fit into one request; null when none wait. Gives up what is
     * too old, and the oldest when there are too many.
     * @param {Set<string>} taken Ids that are on their way already.
     * @param {number} now_ms
     * @param {number} [limit] Most events.
     * @returns {Batch | null}
     */
    nextBatch(taken, now_ms, limit = Infinity) {
      const ids = store.keys(PREFIX).map((key) => key.slice(PREFIX.length));
      /** @type {Batch} */
      const batch = { ids: [], texts: [] };
      let room = MAX_BATCH_BYTES - ENVELOPE_BYTES;
      for (const [place, id] of ids.entries()) {
        if (taken.has(id)) continue;
        const text = store.read(PREFIX + id) ?? "";
        const isYoung = now_ms - instantOf(id) < MAX_AGE_MS;
        // Somebody may have damaged it, and another tab may have delivered it meanwhile.
        if (ids.length - place > MAX_EVENTS || !isYoung || !text.endsWith("}")) {
          remove([id]);
        } else {
          room -= new TextEncoder().encode(text).length + 1;
          if (batch.ids.length && (room < 0 || batch.ids.length >= limit)) break;
          batch.ids.push(id);
          batch.texts.push(text);
        }
      }
      return batch.ids.length ? batch : null;
    },
  };
}
