/**
 * Draws one strip of recommendations inside a slot's shadow root.
 *
 * Empty cards have the same geometry as filled ones, so reserving and filling move nothing. Nodes
 * are made one by one and texts are set as text: nothing told by the server can become markup.
 */

/** @import {Price} from "./format.js" */
/** @import {SlateItem, Words} from "./types.js" */

import { safeUrl } from "./format.js";
import { guarded, later, listen } from "./guard.js";
import css from "./strip.css";

/** One frame. */
const IMAGE_GAP_MS = 16;

/** @typedef {ReturnType<typeof openStrip>} Strip */

/**
 * Nominal height of a strip, for the viewability of slots where none may be drawn. Follows the
 * measures of strip.css; a browser test compares them.
 * @param {HTMLElement} slot
 * @param {boolean} [cart] Whether cards have a button for the cart.
 */
export function nominalHeight(slot, cart) {
  const em = parseFloat(getComputedStyle(slot).fontSize) || 16;
  const width = slot.clientWidth / em;
  return (Math.max(7, Math.min(15, (width - 1.25) / 2.25)) + (cart ? 14.875 : 11.875)) * em;
}

/** A point that takes no room, once its style holds. */
export const makeSentinel = () => make("i", "sentinel");

/** @type {WeakMap<Element, ShadowRoot>} */
const roots = new WeakMap();

/**
 * Opens a slot. The slot's own content stays visible until a strip is drawn over it.
 * @param {HTMLElement} slot
 * @param {string} nonce Nonce of our script, for browsers without constructable style sheets.
 * @param {boolean} cart Whether cards have a button for the cart.
 */
export function openStrip(slot, nonce, cart) {
  const root = roots.get(slot) ?? makeRoot(slot, nonce);
  roots.set(slot, root);
  const sentinel = makeSentinel();
  const clear = () => root.replaceChildren(...styles(root), sentinel, make("slot"));
  clear();

  /** @type {HTMLElement | undefined} */
  let section;
  let label = "";

  return {
    /** A point at the slot's upper edge that takes no room. */
    sentinel,
    /** Shows the slot's own content again. */
    clear,
    isReserved: () => Boolean(section),
    height: () => nominalHeight(slot, cart),
    /** Hides the strip and keeps its room. */
    blank: () => section?.classList.add("blank"),
    /**
     * Draws a strip of empty cards.
     * @param {Words} words
     * @param {number} n
     */
    reserve(words, n) {
      label = cart ? words.add_to_cart : "";
      section = makeSection(words, n, label);
      root.replaceChildren(...styles(root), sentinel, section);
    },
    /**
     * Fills the strip.
     * @param {SlateItem[]} items
     * @param {Price} price
     * @param {(item: SlateItem) => void} clicked
     * @param {(item: SlateItem) => boolean} added Asks the page; true when nobody took the item.
     */
    fill(items, price, clicked, added) {
      const list = section?.querySelector("ul");
      if (!section || !list) return;
      list.replaceChildren(
        ...items.map((item, place) => makeCard(item, place, price, label, clicked, added)),
      );
      section.removeAttribute("aria-busy");
      connectButtons(section, list);
    },
  };
}

/** @param {ShadowRoot} root */
const styles = (root) => [...root.querySelectorAll("style")];

/** @type {CSSStyleSheet | undefined} */
let sheet;

/** @param {HTMLElement} slot @param {string} nonce */
function makeRoot(slot, nonce) {
  const root = attach(slot);
  try {
    if (!sheet) {
      sheet = new CSSStyleSheet();
      sheet.replaceSync(css);
    }
    root.adoptedStyleSheets = [sheet];
  } catch {
    const style = make("style");
    style.nonce = nonce;
    style.textContent = css;
    root.append(style);
  }
  return root;
}

/** @param {HTMLElement} slot */
function attach(slot) {
  try {
    return slot.attachShadow({ mode: "open" });
  } catch {
    // Lists, table cells and elements with a root of their own take none.
    const inner = make("div");
    slot.append(inner);
    return inner.attachShadow({ mode: "open" });
  }
}

/**
 * @param {string} tag
 * @param {string} [part]
 * @param {(Node | string)[]} children
 */
function make(tag, part, ...children) {
  const node = document.createElement(tag);
  if (part) node.setAttribute("part", part);
  node.append(...children);
  return node;
}

/** @param {Words} words @param {number} n @param {string} label */
function makeSection({ heading, previous, next }, n, label) {
  const title = make("h2", "heading", heading);
  const buttons = make("div", "buttons", makeButton(previous, "previous"), makeButton(next, "next"));
  const cards = Array.from({ length: n }, () => make("li", "card", ...halves(), ...addButton(label)));
  const list = make("ul", "list", ...cards);
  const section = make("section", "strip", make("header", "header", title, buttons), list);
  for (const [name, value] of [
    ["aria-label", heading],
    ["aria-roledescription", "carousel"],
    ["aria-busy", "true"],
  ]) {
    section.setAttribute(name, value);
  }
  // Without bullets Safari takes it for no list.
  list.setAttribute("role", "list");
  return section;
}

/** @param {string} label @param {string} part */
function makeButton(label, part) {
  const button = make("button", `button ${part}`);
  button.setAttribute("aria-label", label);
  return button;
}

/** @param {string} label @returns {HTMLElement[]} None without a label. */
const addButton = (label) => (label ? [make("button", "cart", label)] : []);

/** The two halves of a card; each keeps its height when empty. */
const halves = (title = "", price = "", reason = "") => [
  make("span", "frame"),
  make(
    "span",
    "body",
    make("b", "title", title),
    make("strong", "price", price),
    make("small", "reason", reason),
  ),
];

/**
 * @param {SlateItem} item
 * @param {number} place
 * @param {Price} price
 * @param {string} label Of the button for the cart; empty for none.
 * @param {(item: SlateItem) => void} clicked
 * @param {(item: SlateItem) => boolean} added
 */
function makeCard(item, place, price, label, clicked, added) {
  const parts = halves(item.title, price(item.price_minor, item.currency), item.reason?.text);
  const href = safeUrl(item.url, document.baseURI);
  const image = safeUrl(item.image, document.baseURI);
  if (image) parts[0].append(makeImage(image, place));
  if (!href) return make("li", "card", ...parts);
  const link = /** @type {HTMLAnchorElement} */ (make("a", "link", ...parts));
  link.href = href;
  for (const type of ["click", "auxclick"]) {
    // The middle button opens the link too, the right one only a menu.
    listen(link, type, ({ button }) => button < 2 && clicked(item));
  }
  const buttons = addButton(label);
  for (const button of buttons) {
    button.setAttribute("aria-label", `${label}: ${item.title}`);
    listen(button, "click", () => {
      clicked(item);
      if (added(item)) location.assign(href);
    });
  }
  return make("li", "card", link, ...buttons);
}

/**
 * The title beside it says what it shows, so it needs no text of its own.
 * @param {string} src
 * @param {number} place
 */
function makeImage(src, place) {
  const image = /** @type {HTMLImageElement} */ (make("img", "image"));
  image.alt = "";
  image.loading = "lazy";
  image.decoding = "async";
  listen(image, "error", () => image.remove());
  // Asked for in one task, a strip's pictures alone take a slow telephone 30 ms.
  later(() => (image.src = src), place * IMAGE_GAP_MS);
  return image;
}

/** @param {HTMLElement} section @param {HTMLElement} list */
function connectButtons(section, list) {
  const [previous, next] = section.querySelectorAll("button");
  let isRtl = false;

  /** @param {number} direction */
  function scroll(direction) {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const left = list.clientWidth * 0.9 * direction * (isRtl ? -1 : 1);
    list.scrollBy({ left, behavior: calm ? "auto" : "smooth" });
  }

  const update = guarded(() => {
    const end = list.scrollWidth - list.clientWidth;
    const at = Math.abs(list.scrollLeft);
    isRtl = getComputedStyle(list).direction === "rtl";
    section.classList.toggle("rtl", isRtl);
    section.classList.toggle("fits", end < 2);
    previous.setAttribute("aria-disabled", String(at < 2));
    next.setAttribute("aria-disabled", String(at > end - 2));
  });

  listen(previous, "click", () => scroll(-1));
  listen(next, "click", () => scroll(1));
  listen(list, "scroll", update);
  // Calls at the start too, and always when the browser has just laid out the page anyway.
  new ResizeObserver(update).observe(list);
}
