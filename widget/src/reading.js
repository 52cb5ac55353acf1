/** Reads this page, and every page that takes its place: views, data layer, markup, slots. */

/** @import {Tracker} from "./tracker.js" */
/** @import {Slots} from "./slots.js" */

import { later } from "./guard.js";
import { followPages, whenParsed } from "./pages.js";
import { idOf, readProduct } from "./structured.js";

/** How long a data layer may take to tell the page's item before its markup is asked. */
const ITEM_WAIT_MS = 1000;

/**
 * @param {string} layer Name of the data layer.
 * @param {Tracker} tracker
 * @param {Slots} slots
 * @param {() => void} catchUp Reads what the data layer and consent platforms told meanwhile.
 */
export function openReading(layer, tracker, slots, catchUp) {
  let page = 0;
  let path = "";
  /** Item of the markup that a router may have left behind from the page before. */
  let stale = "";

  function tellMarkup() {
    const fact = readProduct();
    if (fact && !tracker.knowsItem() && idOf(fact) !== stale) tracker.tell(fact);
  }

  function view() {
    const began = ++page;
    path = location.pathname;
    tracker.tell({ type: "page_view" });
    catchUp();
    slots.start();
    whenParsed(() => {
      catchUp();
      if (!Array.isArray(/** @type {any} */ (window)[layer])) tellMarkup();
      later(() => {
        if (began !== page) return;
        catchUp();
        tellMarkup();
        slots.itemKnown();
      }, ITEM_WAIT_MS);
    });
  }

  view();
  followPages({
    left() {
      page++;
      stale = path === location.pathname ? "" : idOf(readProduct());
      slots.leave();
      tracker.reset();
    },
    arrived: view,
    restored: () => tracker.tell({ type: "page_view" }),
  });
}
