/**
 * Whether the shopper may be known: granted, denied, or pending.
 *
 * First counts what the shop told us itself, then the browser's Global Privacy Control, then what
 * consent platforms say (all of them must agree), then the shop's setting: `implied` is a grant,
 * `required` none. A choice told by the shop is remembered; platforms remember theirs themselves.
 */

/** @import {ConsentState} from "./types.js" */
/** @import {Store} from "./store.js" */

import { trace } from "./trace.js";

/** @type {ConsentState[]} The strictest first. */
const STATES = ["denied", "pending", "granted"];

/**
 * @param {"implied" | "required"} mode
 * @param {Store} store
 * @param {() => void} changed
 */
export function openConsent(mode, store, changed) {
  const implied = mode === "implied";
  /** @type {ConsentState | null} */
  let explicit = store.peek("consent");
  /** @type {Record<string, ConsentState>} */
  const platforms = {};
  /** @type {ConsentState} */
  let state = "pending";

  function settle() {
    const gpc = /** @type {any} */ (navigator).globalPrivacyControl;
    const told = STATES.find((choice) => Object.values(platforms).includes(choice));
    const now = explicit ?? (gpc ? "denied" : (told ?? (implied ? "granted" : "pending")));
    if (now === state) return;
    state = now;
    trace("consent", { state, explicit, gpc, platforms: { ...platforms } });
    if (now === "denied") store.wipe();
    // Of a refusal nothing is kept but itself, and that only where silence means a grant.
    store.keep(implied || now === "granted");
    if (explicit) store.set("consent", explicit);
    store.keep(now === "granted");
    changed();
  }

  return {
    state: () => state,
    granted: () => state === "granted",
    settle,
    /** @param {unknown} choice Told by the shop. */
    tell(choice) {
      if (choice !== "granted" && choice !== "denied") return;
      explicit = choice;
      settle();
    },
    /** @param {string} platform @param {ConsentState} choice */
    hear(platform, choice) {
      platforms[platform] = choice;
      settle();
    },
  };
}
