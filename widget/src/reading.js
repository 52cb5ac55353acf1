/** Reads this page, and every page that takes its place: views, data layer, JSON-LD, slots. */

/** @import {Fact} from "./types.js" */
/** @import {Tracker} from "./tracker.js" */
/** @import {Slots} from "./slots.js" */

import { followDataLayer } from "./datalayer.js";
import { later } from "./guard.js";
import { followPages, whenParsed } from "./pages.js";
import { readProduct } from "./structured.js";

/** How long a data layer may take to tell the page's item before JSON-LD is asked. */
const ITEM_WAIT_MS = 1000;

/**
 * @param {string} layer Name of the data layer.
 * @param {Tracker} tracker
 * @param {Slots} slots
 */
export function openReading(layer, tracker, slots) {
  const catchUp = followDataLayer(layer, tracker.tell);
  let page = 0;
  let path = "";
  /** Item of JSON-LD that a router may have left behind from the page before. */
  let stale = "";

  const readStructured = () =>
    readProduct(
      Array.from(
        document.querySelectorAll('script[type="application/ld+json"]'),
        ({ textContent }) => textContent ?? "",
      ),
    );

  function tellStructured() {
    const fact = readStructured();
    if (fact && !tracker.knowsItem() && itemOf(fact) !== stale) tracker.tell(fact);
  }

  function view() {
    const began = ++page;
    path = location.pathname;
    tracker.tell({ type: "page_view" });
    catchUp();
    slots.start();
    whenParsed(() => {
      catchUp();
      if (!Array.isArray(/** @type {any} */ (window)[layer])) tellStructured();
      later(() => {
        if (began !== page) return;
        catchUp();
        tellStructured();
        slots.itemKnown();
      }, ITEM_WAIT_MS);
    });
  }

  view();
  followPages({
    left() {
      page++;
      stale = path === location.pathname ? "" : itemOf(readStructured());
      slots.leave();
      tracker.reset();
    },
    arrived: view,
    restored: () => tracker.tell({ type: "page_view" }),
  });
}

/** @param {Fact | null} fact */
const itemOf = (fact) => fact?.items?.[0]?.item_id ?? "";
