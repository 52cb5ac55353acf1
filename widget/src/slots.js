/**
 * Finds the slots of a page and brings each one to its end: drawn, or as it was.
 *
 * Control visitors walk the same path: they ask for the slate, so that their exposure is recorded,
 * and have the same point observed; only nothing is reserved and nothing drawn.
 */

/** @import {Arm, Config, Context, Fact, PlacementSetting, Slate} from "./types.js" */
/** @import {Strip} from "./strip.js" */

import { formatPrice } from "./format.js";
import { guarded, later, whenOff } from "./guard.js";
import { nominalHeight, openStrip } from "./strip.js";
import { textsFor } from "./texts.js";
import { whenBelow, whenViewed } from "./viewability.js";

const SELECTOR = "[data-recommender]";
/** Changes of the page are gathered before it is searched for slots again. */
const SCAN_MS = 200;
/** More empty cards than fit on a wide screen would never be seen. */
const MAX_EMPTY_CARDS = 8;

/** @typedef {ReturnType<typeof openSlots>} Slots */

/**
 * @param {{
 *   config: Config, language: string, nonce: string, context: () => Context,
 *   visitor: () => Promise<{id: string, arm: Arm}>,
 *   ask: (placement: string, context: Context) => Promise<Slate | null>,
 *   tell: (fact: Fact) => void,
 * }} parts
 */
export function openSlots({ config, language, nonce, context, visitor, ask, tell }) {
  /** @type {WeakSet<Element>} */
  let begun = new WeakSet();
  /** @type {(() => void)[]} */
  let endings = [];
  let page = 0;
  let between = true;
  let scanTimer = 0;
  /** @type {Promise<void>} */
  let itemKnown;
  let tellItemKnown = () => {};

  function scan() {
    scanTimer = 0;
    if (between) return;
    for (const slot of document.querySelectorAll(SELECTOR)) {
      if (slot instanceof HTMLElement && !begun.has(slot)) begin(slot);
    }
  }

  /** @param {HTMLElement} slot */
  function begin(slot) {
    begun.add(slot);
    const setting = config.placements?.[slot.dataset.recommender ?? ""];
    if (setting?.enabled) guarded(bring)(slot, setting);
  }

  /** @param {HTMLElement} slot @param {PlacementSetting} setting */
  async function bring(slot, setting) {
    const began = page;
    const placement = slot.dataset.recommender ?? "";
    const strip = openStrip(slot, nonce);
    try {
      const { id, arm } = await visitor();
      // Without a visitor there is no experiment; with one of unknown arm the server decides.
      if (arm === "treatment" || !id) reserve(strip, setting);
      if (placement === "product" && !contextOf(slot).item_id) await itemKnown;
      if (began !== page) return;
      const slate = await ask(placement, contextOf(slot));
      if (began === page) finish(slot, strip, setting, slate);
    } catch (error) {
      strip.clear();
      throw error;
    }
  }

  /** @param {Strip} strip @param {PlacementSetting} setting */
  function reserve(strip, { title, n }) {
    strip.reserve(textsFor(language, title), Math.min(n, MAX_EMPTY_CARDS));
    // A page's first price takes some 20 ms: better now than in the task that draws.
    later(() => formatPrice(0, config.currency, language), 0);
  }

  /**
   * @param {HTMLElement} slot
   * @param {Strip} strip
   * @param {PlacementSetting} setting
   * @param {Slate | null} slate
   */
  function finish(slot, strip, setting, slate) {
    if (slate && slate.arm !== "control" && slate.items.length >= setting.n_min) {
      if (!strip.isReserved()) reserve(strip, setting);
      draw(slot, strip, slate);
      observe(slot, strip, slate);
    } else {
      release(slot, strip);
      // The server names an arm only when it had something to show.
      if (slate?.arm === "control") observe(slot, strip, slate);
    }
  }

  /** @param {HTMLElement} slot @returns {Context} What the slot says goes before the page. */
  function contextOf({ dataset }) {
    const { itemId: item_id, category, searchTerm: search_term } = dataset;
    const told = Object.entries({ item_id, category, search_term }).filter(([, value]) => value);
    return { ...context(), ...Object.fromEntries(told) };
  }

  /** @param {HTMLElement} slot @param {Strip} strip @param {Slate} slate */
  function draw(slot, strip, { slate_id, items }) {
    const placement = slot.dataset.recommender;
    strip.fill(items, language, ({ id }) =>
      tell({ type: "select_item", items: [{ item_id: id }], placement, slate_id }),
    );
    slot.dataset.recommenderState = "drawn";
  }

  /** @param {HTMLElement} slot @param {Strip} strip */
  function release(slot, strip) {
    // What the shop put there itself is better than room without content.
    if (slot.childElementCount) strip.clear();
    else strip.blank();
    const end = whenBelow(slot, () => {
      strip.clear();
      slot.dataset.recommenderState = "empty";
    });
    endings.push(end);
  }

  /** @param {HTMLElement} slot @param {Strip} strip @param {Slate} slate */
  function observe(slot, strip, { slate_id, items }) {
    const placement = slot.dataset.recommender;
    const seen = items.map(({ id }) => ({ item_id: id }));
    const end = whenViewed(strip.sentinel, nominalHeight(slot), () =>
      tell({ type: "impression", items: seen, placement, slate_id }),
    );
    endings.push(end);
  }

  /** Ends what belongs to the page that was left; its slots are searched no more. */
  function leave() {
    page++;
    between = true;
    endings.forEach((end) => end());
    endings = [];
  }

  const watcher = new MutationObserver(
    guarded(() => {
      scanTimer ||= later(scan, SCAN_MS);
    }),
  );
  watcher.observe(document.documentElement, { childList: true, subtree: true });
  whenOff(() => {
    watcher.disconnect();
    leave();
  });

  return {
    leave,
    /** Begins with all slots of a page. */
    start() {
      begun = new WeakSet();
      between = false;
      itemKnown = new Promise((resolve) => {
        tellItemKnown = resolve;
      });
      scan();
    },
    /** Lets slots of a product page go on: its item is known, or will not be. */
    itemKnown: () => tellItemKnown(),
  };
}
