/**
 * In comes one script tag, out goes one global function.
 *
 * Nothing of the page is touched before the shop's settings say that the widget is switched on,
 * and nothing happens at all while nobody looks at the page.
 */

/** @import {Api, Config} from "./types.js" */

import { openApp } from "./app.js";
import { guarded } from "./guard.js";
import { fetchConfig } from "./network.js";
import { whenVisible } from "./pages.js";
import { openStore } from "./store.js";

const MAX_EARLY_CALLS = 100;
const OFF_KEY = "rcm_off";

const script = /** @type {HTMLScriptElement | null} */ (
  document.currentScript ?? document.querySelector("script[data-shop]")
);
// Tag managers drop data attributes, so the key may stand in the address instead.
const key = script && (script.dataset.shop || new URL(script.src).searchParams.get("shop"));
if (key && !window.recommender?.version) guarded(install)(script, key);

/** @param {HTMLScriptElement} script @param {string} key Site key. */
function install(script, key) {
  const early = Array.from(window.recommender?.q ?? []);
  let run = (/** @type {Iterable<unknown>} */ call) => {
    if (early.length < MAX_EARLY_CALLS) early.push(call);
  };
  /** @type {Api} */
  const api = guarded((/** @type {unknown[]} */ ...call) => run(call));
  api.version = VERSION;
  api.consent = (choice) => api("consent", choice);
  window.recommender = api;
  if (attempt(() => sessionStorage.getItem(OFF_KEY)) === location.pathname) return;

  whenVisible(async () => {
    const store = openStore(attempt(() => localStorage));
    const { origin } = new URL(script.src);
    /** @type {Config | null} */
    const config = (await fetchConfig(origin, key)) ?? store.peek("config");
    if (!config || config.enabled === false) return;
    store.set("config", config);
    const { dataset, nonce } = script;
    const layer = dataset.layer ?? "dataLayer";
    const rememberOff = () => sessionStorage.setItem(OFF_KEY, location.pathname);
    run = openApp({ origin, key, config, store, nonce, layer, early, rememberOff });
  });
}

/**
 * @template T
 * @param {() => T} action Something that browsers may forbid.
 * @returns {T | null}
 */
function attempt(action) {
  try {
    return action();
  } catch {
    return null;
  }
}
