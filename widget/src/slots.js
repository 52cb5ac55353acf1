/**
 * Finds the slots of a page and brings each one to its end: drawn, or as it was.
 *
 * Control visitors walk the same path: they ask for the slate, so that their exposure is recorded,
 * and have the same point observed; only nothing is reserved and nothing drawn.
 */

/** @import {Arm, Config, Context, Fact, PlacementSetting, Shown, Slate} from "./types.js" */
/** @import {Strip} from "./strip.js" */

import { openPrices } from "./format.js";
import { attempt, guarded, later, whenOff } from "./guard.js";
import { makeSentinel, nominalHeight, openStrip } from "./strip.js";
import { textsFor } from "./texts.js";
import { trace } from "./trace.js";
import { whenBelow, whenViewed } from "./viewability.js";

const SELECTOR = "[data-recommender],recommender-slot";
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
  const price = openPrices(config, language);
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
    config.slots?.forEach(place);
    for (const slot of document.querySelectorAll(SELECTOR)) {
      if (slot instanceof HTMLElement && !begun.has(slot)) begin(slot);
    }
  }

  /** @param {HTMLElement} slot */
  function begin(slot) {
    begun.add(slot);
    const placement = (slot.dataset.recommender ??= slot.getAttribute("placement") ?? "");
    const setting = config.placements?.[placement];
    if (setting?.enabled) guarded(bring)(slot, placement, setting);
    else trace("slot", { slot, placement, state: "off" });
  }

  /** @param {HTMLElement} slot @param {string} placement @param {PlacementSetting} setting */
  async function bring(slot, placement, setting) {
    const began = page;
    // A page keeps no room for what it does not know of, so that waits until nobody looks there.
    if (slot.dataset.recommenderPlaced && !(DEBUG && config.preview)) {
      trace("slot", { slot, placement, state: "waits" });
      await new Promise((below) => endings.push(whenBelow(slot, () => below(0))));
    }
    const strip = openStrip(slot, nonce, config.cart_button || "addToCart" in slot.dataset);
    try {
      const { id, arm } = await visitor();
      // Without a visitor there is no experiment; with one of unknown arm the server decides.
      if ((arm === "treatment" && !config.stratum?.silent) || !id) reserve(strip, setting);
      if (placement === "product" && !contextOf(slot).item_id) await itemKnown;
      if (began !== page) return;
      const slate = await ask(placement, contextOf(slot));
      if (began === page) finish(slot, placement, strip, setting, slate);
    } catch (error) {
      strip.clear();
      throw error;
    }
  }

  /** @param {Strip} strip @param {PlacementSetting} setting */
  function reserve(strip, { title, n }) {
    strip.reserve(textsFor(language, config.words, title), Math.min(n, MAX_EMPTY_CARDS));
    // A browser's own first price takes long: where it must, better now than in the task that draws.
    later(() => price(0, config.currency), 0);
  }

  /**
   * @param {HTMLElement} slot
   * @param {string} placement
   * @param {Strip} strip
   * @param {PlacementSetting} setting
   * @param {Slate | null} slate
   */
  function finish(slot, placement, strip, setting, slate) {
    const n = slate?.items.length;
    const shown = n && n >= setting.n_min;
    // The server names an arm only when it had something to show; in an A/A stretch neither gets it.
    const held = !n && slate?.arm;
    const why = held === "control" ? held : "silent";
    trace("slot", { slot, placement, state: shown ? "drawn" : held ? why : "empty" });
    // Asked after drawing, it would have the browser lay out the page at once.
    const height_px = strip.height();
    if (shown) {
      if (!strip.isReserved()) reserve(strip, setting);
      draw(slot, placement, strip, slate);
    } else release(slot, strip);
    if (shown || held) observe(strip.sentinel, height_px, placement, slate);
  }

  /** @param {HTMLElement} slot @returns {Context} What the slot says goes before the page. */
  function contextOf(slot) {
    /** @type {Context} */
    const told = { ...context() };
    for (const field of /** @type {const} */ (["item_id", "category", "search_term"])) {
      const name = field.replace("_", "-");
      const said = slot.getAttribute("data-" + name) || slot.getAttribute(name);
      if (said) told[field] = said;
    }
    return told;
  }

  /**
   * @param {HTMLElement} slot @param {string} placement @param {Strip} strip @param {Slate} slate
   */
  function draw(slot, placement, strip, { slate_id, items }) {
    strip.fill(
      items,
      price,
      (item) => report("select_item", placement, slate_id, [item]),
      ({ id }) =>
        slot.dispatchEvent(
          new CustomEvent("recommender:add-to-cart", {
            bubbles: true,
            cancelable: true,
            detail: { item_id: id, placement, slate_id },
          }),
        ),
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

  /**
   * Tells what a slate came to, in both arms: that the page had it, and that it was on screen.
   * @param {Element} sentinel @param {number} height_px @param {string} placement
   * @param {Pick<Slate, "slate_id" | "items">} slate
   */
  function observe(sentinel, height_px, placement, { slate_id, items }) {
    report("rendered", placement, slate_id, items);
    const end = whenViewed(sentinel, height_px, () =>
      report("impression", placement, slate_id, items),
    );
    endings.push(end);
  }

  /**
   * @param {string} type @param {string} placement @param {string} slate_id
   * @param {{id: string}[]} items
   */
  const report = (type, placement, slate_id, items) =>
    tell({ type, items: items.map(({ id }) => ({ item_id: id })), placement, slate_id });

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
      // In a task of its own: with what goes before it would be a long one on a slow telephone.
      later(scan, 0);
    },
    /** Lets slots of a product page go on: its item is known, or will not be. */
    itemKnown: () => tellItemKnown(),
    /**
     * Asks for a shop that draws by itself.
     * @param {string} placement
     * @param {Context} [more] Goes before what the page told.
     * @returns {Promise<Shown>}
     */
    async slate(placement, more) {
      const slate = await ask(placement, { ...context(), ...more });
      const { slate_id = "", items = [] } = slate ?? {};
      return {
        slate_id,
        items,
        observe(element) {
          if (!items.length && !slate?.arm) return;
          const sentinel = makeSentinel();
          sentinel.style.position = "absolute";
          element.prepend(sentinel);
          observe(sentinel, nominalHeight(element), placement, { slate_id, items });
        },
        select: (id) => report("select_item", placement, slate_id, [{ id }]),
      };
    },
  };
}

/**
 * Makes a slot that was placed from the console, once on a page. What it replaces becomes the
 * slot itself, so that nothing of the page is ever taken away.
 * @param {{placement: string, selector: string, position: string}} placed
 * @param {number} index
 */
function place({ placement, selector, position }, index) {
  if (document.querySelector(`[data-recommender-placed="${index}"]`)) return;
  const target = attempt(() => document.querySelector(selector));
  if (!(target instanceof HTMLElement)) return;
  const slot = position === "replace" ? target : document.createElement("div");
  slot.dataset.recommender = placement;
  slot.dataset.recommenderPlaced = String(index);
  if (slot !== target) {
    target[/** @type {"before" | "after" | "prepend" | "append"} */ (position)](slot);
  }
}
