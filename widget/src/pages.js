/**
 * Tells when a new page begins: also inside single-page shops, and after coming back.
 *
 * `history.pushState` and `replaceState` are wrapped; the page's own calls behave as before.
 */

import { guarded, later, listen } from "./guard.js";

/** Routers change the address first and draw afterwards. */
const SETTLE_MS = 300;

/**
 * Waits until a page is looked at: never while it is prerendered or in a tab nobody opened.
 * @param {() => unknown} action
 */
export function whenVisible(action) {
  let done = false;
  const check = () => {
    if (done || document.visibilityState !== "visible") return;
    done = true;
    return action();
  };
  listen(document, "visibilitychange", check);
  guarded(check)();
}

/**
 * Waits until the page's own HTML is read.
 * @param {() => unknown} action
 */
export function whenParsed(action) {
  if (document.readyState === "loading") listen(document, "DOMContentLoaded", action);
  else action();
}

/**
 * Follows changes of the address.
 * @param {{left: () => void, arrived: () => void, restored: () => void}} on `left` at once when
 *   the address changes, `arrived` when the new page had time to draw, `restored` when the whole
 *   document comes back from the browser's back/forward cache.
 */
export function followPages(on) {
  let route = routeNow();
  let query = location.search;
  let timer = 0;

  const compare = guarded((/** @type {boolean} */ routeOnly) => {
    const changed = route !== routeNow() || (!routeOnly && query !== location.search);
    route = routeNow();
    query = location.search;
    if (!changed) return;
    clearTimeout(timer);
    on.left();
    timer = later(on.arrived, SETTLE_MS);
  });

  wrapHistory("pushState", () => compare(false));
  // Filters and typed searches replace the query of the page they are on.
  wrapHistory("replaceState", () => compare(true));
  listen(window, "popstate", () => compare(false));
  listen(window, "pageshow", (event) => event.persisted && on.restored());
}

/** The path, with the hash only where a router lives in it: other anchors are no new page. */
const routeNow = () =>
  location.pathname + (/^#[/!]/.test(location.hash) ? location.hash : "");

/**
 * @param {"pushState" | "replaceState"} name
 * @param {() => void} after
 */
function wrapHistory(name, after) {
  const original = history[name];
  history[name] = function (...args) {
    const result = original.apply(this, args);
    after();
    return result;
  };
}
