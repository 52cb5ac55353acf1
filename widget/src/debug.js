/**
 * The overlay of `?recommender=debug` and `?recommender=preview`: what the widget heard, asked for
 * and drew on this page, what is wrong, and how to put it right. No shopper ever loads it.
 */

/** @import {Seen} from "./findings.js" */

import css from "./debug.css";
import { findings, newestStates } from "./findings.js";
import { previewToken } from "./preview.js";
import { diary } from "./trace.js";

const REFRESH_MS = 500;
const MAX_EVENTS = 30;
const script = /** @type {HTMLScriptElement | null} */ (document.currentScript);

/** Opens the overlay and keeps it up to date. */
export function openDebug() {
  const host = document.createElement("div");
  const root = host.attachShadow({ mode: "open" });
  addStyle(root);
  const body = make("div");
  const title = previewToken ? "Preview: nobody is counted" : `Recommender ${VERSION}`;
  const section = make("section", "", makeHeader(title, host), body);
  section.setAttribute("aria-label", "Recommender");
  section.tabIndex = 0;
  root.append(section);
  if (previewToken) followLinks();
  let length = -1;
  setInterval(() => {
    // The page may have been drawn anew around it.
    if (!host.isConnected && !host.hidden) document.documentElement.append(host);
    if (length === diary.length && diary.length < 200) return;
    length = diary.length;
    refresh(body);
  }, REFRESH_MS);
}

/** @param {ShadowRoot} root */
function addStyle(root) {
  try {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    root.adoptedStyleSheets = [sheet];
  } catch {
    const style = make("style", "", css);
    style.nonce = script?.nonce ?? "";
    root.append(style);
  }
}

/** @param {string} title @param {HTMLElement} host */
function makeHeader(title, host) {
  const fold = make("button", "", "–");
  fold.setAttribute("aria-label", "Fold");
  fold.addEventListener("click", () => header.parentElement?.classList.toggle("folded"));
  const close = make("button", "", "×");
  close.setAttribute("aria-label", "Close");
  close.addEventListener("click", () => {
    host.hidden = true;
    host.remove();
  });
  const header = make("header", "", make("strong", "", title), fold, close);
  return header;
}

/** @param {HTMLElement} body */
function refresh(body) {
  const seen = look();
  body.replaceChildren(
    make("h2", "", "What is wrong"),
    make(
      "ul",
      "",
      ...findings(seen).map(({ level, text, fix }) => make("li", level, text, make("small", "", fix))),
    ),
    make("h2", "", "This page"),
    makeFacts(factsOf(seen)),
    make("h2", "", "Slots"),
    make("ul", "", ...newestStates(seen).map((slot) => makeSlot(slot, seen))),
    make("h2", "", "Events, the newest first"),
    make("ul", "", ...eventsOf(seen)),
  );
}

/** @returns {Seen} What the page and the diary show. */
function look() {
  const { origin, searchParams } = new URL(script?.src ?? location.href);
  const config = lastOf("config");
  const slots = document.querySelectorAll("[data-recommender],recommender-slot").length;
  const placed = (config?.slots ?? []).map((/** @type {{selector: string}} */ { selector }) => ({
    selector,
    found: isFound(selector),
  }));
  return {
    records: diary,
    key: script?.dataset.shop || (searchParams.get("shop") ?? ""),
    service: origin,
    page: location.origin,
    snippets: document.querySelectorAll("script[data-shop]").length,
    slots,
    placed,
    preview: /[?&]recommender=preview/.test(location.search),
  };
}

/** @param {string} selector */
function isFound(selector) {
  try {
    return Boolean(document.querySelector(selector));
  } catch {
    return false;
  }
}

/** @param {string} kind @returns {any} */
const lastOf = (kind) => diary.findLast((record) => record.kind === kind)?.detail;

/** @param {Seen} seen @returns {[string, string][]} */
function factsOf({ key, service }) {
  const consent = lastOf("consent");
  const arm = lastOf("arm");
  const item = diary.findLast(({ kind, detail }) => {
    const told = /** @type {any} */ (detail);
    return kind === "event" && told.event.type === "view_item";
  });
  const { event, source } = /** @type {any} */ (item?.detail ?? {});
  return [
    ["Site key", key],
    ["Service", service],
    ["Consent", consent?.state ?? "not asked yet"],
    ["Visitor", arm?.id || "unknown"],
    ["Arm", previewToken ? "none: preview" : arm?.arm || "none"],
    ["Item", event ? `${event.items?.[0]?.item_id}, from ${source}` : "not told"],
    ...timesOf(service),
  ];
}

/**
 * Returns how long the requests of this page took, by the browser's own clock.
 * @param {string} service
 * @returns {[string, string][]}
 */
const timesOf = (service) =>
  performance
    .getEntriesByType("resource")
    .filter(({ name }) => name.startsWith(service) && !name.includes("/v1/events"))
    .map(({ name, startTime, duration }) => [
      new URL(name).pathname.split("/").slice(1, 3).join("/"),
      `${Math.round(duration)} ms, begun at ${Math.round(startTime)} ms`,
    ]);

/** @param {[string, string][]} facts */
const makeFacts = (facts) =>
  make("dl", "", ...facts.flatMap(([name, text]) => [make("dt", "", name), make("dd", "", text)]));

/** @param {{slot: unknown, placement: string, state: string}} told @param {Seen} seen */
function makeSlot({ slot, placement, state }, { records }) {
  const asked = records.findLast(({ kind, detail }) => {
    const told = /** @type {any} */ (detail);
    return kind === "slate" && told.question.placement === placement;
  });
  const slate = /** @type {any} */ (asked?.detail)?.slate;
  const what = slate ? `${slate.items.length} items, ${slate.slate_id} ${slate.fallback}` : "";
  const show = make("button", "", "Show");
  show.setAttribute("aria-label", `Show slot ${placement}`);
  show.addEventListener("click", () => {
    if (slot instanceof Element) slot.scrollIntoView({ block: "center" });
  });
  const name = state === "drawn" ? "good" : "";
  return make("li", name, `${placement}: ${state} `, show, make("small", "", what));
}

/** @param {Seen} seen */
function eventsOf({ records }) {
  const statuses = new Map();
  for (const { kind, detail } of records) {
    const { ids = [], status } = /** @type {any} */ (detail ?? {});
    if (kind === "answer") for (const id of ids) statuses.set(id, status);
  }
  return records
    .filter(({ kind }) => kind === "event")
    .slice(-MAX_EVENTS)
    .reverse()
    .map(({ at_ms, detail }) => {
      const { event, source } = /** @type {any} */ (detail);
      const status = statuses.get(event.event_id);
      const sent = previewToken ? "not sent" : status === undefined ? "waits" : status || "no answer";
      const items = (event.items ?? []).map((/** @type {any} */ { item_id }) => item_id).join(", ");
      const when = new Date(at_ms).toLocaleTimeString();
      return make(
        "li",
        status >= 200 && status < 300 ? "good" : "",
        `${event.type} ${items}`,
        make("small", "", `${when}, from ${source ?? "the widget"}: ${sent}`),
      );
    });
}

/** Takes the preview along when the owner goes on to another page of the shop. */
function followLinks() {
  const passOn = (/** @type {Event} */ event) => {
    const link = event.composedPath().find((node) => node instanceof HTMLAnchorElement);
    if (!(link instanceof HTMLAnchorElement) || link.origin !== location.origin) return;
    const url = new URL(link.href);
    // Side by side and in this order: that is how the widget looks for them.
    const rest = url.search.slice(1);
    url.search = `?recommender=preview&token=${previewToken}${rest ? `&${rest}` : ""}`;
    if (!rest.includes("recommender=preview")) link.href = url.href;
  };
  document.addEventListener("click", passOn, true);
}

/**
 * @param {string} tag
 * @param {string} [name] Class.
 * @param {(Node | string)[]} children
 */
function make(tag, name, ...children) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  node.append(...children);
  return node;
}
