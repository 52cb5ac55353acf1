/**
 * In comes one script tag, out goes one global function.
 *
 * Nothing of the page is touched before the shop's settings say that the widget is switched on,
 * and nothing happens at all while nobody looks at the page.
 */

/** @import {Api, Arm, Config} from "./types.js" */
/** @import {Store} from "./store.js" */

import { assign } from "./arm.js";
import { openConsent } from "./consent.js";
import { followDataLayer, readEvent } from "./datalayer.js";
import { guarded, later, whenOff } from "./guard.js";
import { followPages, whenParsed, whenVisible } from "./pages.js";
import { openQueue } from "./queue.js";
import { fetchConfig, fetchSlate } from "./slate.js";
import { openSlots } from "./slots.js";
import { openStore } from "./store.js";
import { readProduct } from "./structured.js";
import { openTracker } from "./tracker.js";
import { openTransport } from "./transport.js";
import { openVisitor } from "./visitor.js";

/** How long a product page's data layer may take to tell its item before JSON-LD is asked. */
const ITEM_WAIT_MS = 1000;
const MAX_EARLY_CALLS = 100;
const MAX_CART = 50;
const OFF_KEY = "rcm_off";

const script = /** @type {HTMLScriptElement | null} */ (
  document.currentScript ?? document.querySelector("script[data-shop]")
);
if (script?.dataset.shop && !window.recommender?.version) guarded(install)(script);

/** @param {HTMLScriptElement} script */
function install(script) {
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
    const told = await fetchConfig(origin, script.dataset.shop ?? "");
    /** @type {Config | null} */
    const config = told ?? store.peek("config");
    if (!config || config.enabled === false) return;
    store.set("config", config);
    run = begin(script, origin, config, store);
    early.forEach(run);
  });
}

/**
 * @param {HTMLScriptElement} script
 * @param {string} origin
 * @param {Config} config
 * @param {Store} store
 * @returns {(call: Iterable<any>) => void} Carries out a call of the page.
 */
function begin(script, origin, config, store) {
  const key = script.dataset.shop ?? "";
  const language = document.documentElement.lang || config.language || navigator.language;
  const visitor = openVisitor(store, () => consent.granted());
  const queue = openQueue(store);
  const transport = openTransport({
    url: `${origin}/v1/events?key=${encodeURIComponent(key)}`,
    queue,
    store,
    visitorId: visitor.id,
    maySend: () => consent.granted(),
  });
  const tracker = openTracker({
    queue,
    store,
    session: visitor.session,
    refused: () => consent.denied(),
    added: transport.wake,
    itemKnown: () => slots.itemKnown(),
  });
  /** @type {Promise<{id: string, arm: Arm}> | undefined} */
  let known;
  const slots = openSlots({
    config,
    language,
    nonce: script.nonce,
    context: tracker.context,
    visitor: () => (known ??= identify(visitor.id(), config)),
    ask: (placement, context) =>
      fetchSlate(origin, {
        ...context,
        key,
        placement,
        visitor_id: visitor.id(),
        language,
        cart: placement === "cart" ? listOf(tracker.cart()) : "",
      }),
    tell: tracker.tell,
  });
  const consent = openConsent(config.consent ?? "implied", store, {
    granted() {
      known = undefined;
      transport.wake();
    },
    denied() {
      known = undefined;
      visitor.forget();
    },
  });
  consent.begin();
  whenOff(() => consent.granted() && sessionStorage.setItem(OFF_KEY, location.pathname));
  openPage(script.dataset.layer ?? "dataLayer", tracker, slots);

  return ([command, told, more]) => {
    if (command === "consent") consent.tell(told);
    if (command !== "event") return;
    const fact = typeof told === "string" ? readEvent(told, more ?? {}) : readEvent(told?.type, told);
    if (fact) tracker.tell(fact);
  };
}

/** @param {string} id @param {Config} config */
const identify = async (id, config) => ({ id, arm: await assign(config.stratum, id) });

/** @param {string[]} ids */
const listOf = (ids) =>
  ids
    .filter((id) => !id.includes(","))
    .slice(0, MAX_CART)
    .join();

/**
 * Reads this page, and every page that takes its place.
 * @param {string} layerName
 * @param {import("./tracker.js").Tracker} tracker
 * @param {ReturnType<typeof openSlots>} slots
 */
function openPage(layerName, tracker, slots) {
  const catchUp = followDataLayer(layerName, tracker.tell);
  /** JSON-LD that a router left behind from the page before. */
  let stale = "";
  let page = 0;

  function readStructured() {
    const scripts = document.querySelectorAll('script[type="application/ld+json"]');
    const fact = readProduct(Array.from(scripts, (script) => script.textContent ?? ""));
    const id = fact?.items?.[0]?.item_id;
    if (!fact || !id || tracker.knowsItem() || id === stale) return;
    stale = id;
    tracker.tell(fact);
  }

  function view() {
    const began = ++page;
    tracker.tell({ type: "page_view" });
    catchUp();
    slots.start();
    whenParsed(() => {
      catchUp();
      if (!Array.isArray(/** @type {any} */ (window)[layerName])) readStructured();
      later(() => {
        if (began !== page) return;
        catchUp();
        readStructured();
        slots.itemKnown();
      }, ITEM_WAIT_MS);
    });
  }

  followPages({
    left() {
      page++;
      slots.leave();
      tracker.reset();
    },
    arrived: view,
    restored: () => tracker.tell({ type: "page_view" }),
  });
  view();
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
