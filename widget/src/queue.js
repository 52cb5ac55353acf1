/**
 * Events that the server has not confirmed yet, oldest first; they survive reloads.
 *
 * The queue knows nothing of the network: it hands out batches and removes ids when told to.
 */

/** @import {WidgetEvent} from "./types.js" */
/** @import {Store} from "./store.js" */

import { instantOf } from "./uuid.js";

const PREFIX = "event_";
const MAX_EVENTS = 200;
const MAX_AGE_MS = 7 * 24 * 3600 * 1000;
/** Browsers give 64 KiB for all that is in flight while a page closes, other scripts included. */
const MAX_BATCH_BYTES = 16 * 1024;
/** Room for what all events of a batch share. */
const ENVELOPE_BYTES = 400;

/** @typedef {ReturnType<typeof openQueue>} Queue */
/** @typedef {{ids: string[], session_id: string, events: WidgetEvent[]}} Batch */

/** @param {Store} store */
export function openQueue(store) {
  const ids = () => store.keys(PREFIX).map((key) => key.slice(PREFIX.length));

  /** @param {string[]} gone */
  const remove = (gone) => gone.forEach((id) => store.remove(PREFIX + id));

  return {
    remove,
    /**
     * Adds an event; the oldest makes room when there are too many.
     * @param {WidgetEvent} event
     * @param {string} session_id
     */
    add(event, session_id) {
      store.set(PREFIX + event.event_id, { session_id, event });
      remove(ids().slice(0, -MAX_EVENTS));
    },
    /**
     * Returns the oldest events that fit into one request, of one session; null when none wait.
     * @param {Set<string>} taken Ids that are on their way already.
     * @param {number} now_ms
     * @returns {Batch | null}
     */
    nextBatch(taken, now_ms) {
      remove(ids().filter((id) => now_ms - instantOf(id) > MAX_AGE_MS));
      /** @type {Batch | null} */
      let batch = null;
      let bytes = ENVELOPE_BYTES;
      for (const id of ids()) {
        if (taken.has(id)) continue;
        const entry = store.get(PREFIX + id);
        if (!entry?.event) {
          remove([id]);
          continue;
        }
        bytes += sizeOf(entry.event) + 1;
        if (batch && (bytes > MAX_BATCH_BYTES || entry.session_id !== batch.session_id)) break;
        batch ??= { ids: [], session_id: entry.session_id, events: [] };
        batch.ids.push(id);
        batch.events.push(entry.event);
      }
      return batch;
    },
    /**
     * Counts the events that wait.
     * @param {Set<string>} taken
     */
    waiting: (taken) => ids().filter((id) => !taken.has(id)).length,
  };
}

/** @param {unknown} value */
const sizeOf = (value) => new TextEncoder().encode(JSON.stringify(value)).length;
