/**
 * Puts the widget on a page: the one global function, then the shop's settings, then the rest.
 *
 * Nothing of the page is touched before the settings say that the widget is switched on, and
 * nothing happens at all while nobody looks at the page.
 */

/** @import {Api, Config} from "./types.js" */

import { openApp } from "./app.js";
import { attempt, guarded } from "./guard.js";
import { fetchConfig } from "./network.js";
import { whenVisible } from "./pages.js";
import { openStore } from "./store.js";
import { previewToken } from "./preview.js";
import { diary, trace } from "./trace.js";

/**
 * Installs the widget; a second time on the same page does nothing.
 * @param {string} key Site key.
 * @param {string} origin Of the service.
 * @param {string} layer Name of the data layer.
 * @param {string} nonce For the style element of browsers without constructable style sheets.
 */
export const install = guarded(openWidget);

/** @param {string} key @param {string} origin @param {string} layer @param {string} nonce */
function openWidget(key, origin, layer, nonce) {
  if (!key || window.recommender?.version) return;
  const early = [...(window.recommender?.q ?? [])];
  /** @type {(call: Iterable<any>) => void} */
  let run = (call) => early.push(call);
  /** @type {Api} */
  const api = guarded((/** @type {unknown[]} */ ...call) => run(call));
  api.version = VERSION;
  api.consent = (choice) => api("consent", choice);
  api.slate = (...question) => new Promise((resolve) => api("slate", question, resolve));
  window.recommender = api;
  if (DEBUG) api.diary = diary;

  whenVisible(async () => {
    const store = openStore(previewToken ? null : attempt(() => localStorage));
    const language = document.documentElement.lang || navigator.language;
    /** @type {Config | null} */
    const config = (await fetchConfig(origin, key, language)) ?? store.peek("config");
    trace("config", config);
    if (!config || config.enabled === false) return;
    run = await openApp({ origin, key, language, config, store, nonce, layer, early });
  });
}
