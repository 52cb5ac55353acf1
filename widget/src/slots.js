/**
 * Finds the slots of a page and brings each one to its end: drawn, or as it was.
 *
 * Control visitors walk the same path: they ask for the slate, so that their exposure is recorded,
 * and have the same point observed; only nothing is reserved and nothing drawn.
 */

/** @import {Arm, Config, Context, PlacementSetting, Slate} from "./types.js" */
/** @import {Strip} from "./strip.js" */

import { guarded, later, whenOff } from "./guard.js";
import { nominalHeight, openStrip } from "./strip.js";
import { textsFor } from "./texts.js";
import { whenBelow, whenViewed } from "./viewability.js";

const SELECTOR = "[data-recommender]";
/** How long a product page may take to tell which product it shows. */
const ITEM_WAIT_MS = 1000;
/** Changes of the page are gathered before it is searched for slots again. */
const SCAN_MS = 200;

/**
 * @param {{
 *   config: Config, language: string, nonce: string,
 *   visitor: () => Promise<{id: string, arm: Arm}>,
 *   context: () => Context,
 *   ask: (placement: string, context: Context) => Promise<Slate | null>,
 *   tell: (fact: import("./types.js").Fact) => void,
 * }} parts
 */
export function openSlots({ config, language, nonce, visitor, context, ask, tell }) {
  /** @type {WeakSet<HTMLElement>} */
  let begun = new WeakSet();
  /** @type {Set<HTMLElement>} Slots of product pages that wait for their item. */
  const waiting = new Set();
  let page = 0;
  let patient = true;
  let scanTimer = 0;

  function scan() {
    scanTimer = 0;
    for (const slot of document.querySelectorAll(SELECTOR)) {
      if (slot instanceof HTMLElement && !begun.has(slot)) begin(slot);
    }
  }

  /** @param {HTMLElement} slot */
  function begin(slot) {
    begun.add(slot);
    const setting = config.placements?.[slot.dataset.recommender ?? ""];
    if (!setting?.enabled) return;
    if (slot.dataset.recommender === "product" && patient && !contextOf(slot).item_id) {
      waiting.add(slot);
    } else {
      guarded(bring)(slot, setting);
    }
  }

  /** @param {HTMLElement} slot @returns {Context} What the slot says goes before the page. */
  function contextOf({ dataset }) {
    const { itemId: item_id, category, searchTerm: search_term } = dataset;
    const told = Object.entries({ item_id, category, search_term }).filter(([, value]) => value);
    return { ...context(), ...Object.fromEntries(told) };
  }

  function resume() {
    const slots = [...waiting];
    waiting.clear();
    for (const slot of slots) begun.delete(slot);
    scan();
  }

  /** @param {HTMLElement} slot @param {PlacementSetting} setting */
  async function bring(slot, setting) {
    const began = page;
    const placement = slot.dataset.recommender ?? "";
    const strip = openStrip(slot, nonce);
    try {
      const { id, arm } = await visitor();
      // Without a visitor there is no experiment; with one of unknown arm the server decides.
      if (arm === "treatment" || !id) strip.reserve(textsFor(language, setting.title), setting.n);
      const slate = await ask(placement, contextOf(slot));
      if (began === page) show(slot, strip, placement, setting, slate);
    } catch (error) {
      strip.clear();
      throw error;
    }
  }

  return { start, resume };
}
