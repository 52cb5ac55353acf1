/** What the diary tells of this page → what is wrong, and how to put it right. Pure. */

/** @import {TraceRecord} from "./trace.js" */

/**
 * @typedef {{level: "bad" | "note" | "good", text: string, fix: string}} Finding
 *
 * @typedef {{
 *   records: TraceRecord[], key: string, service: string, page: string, snippets: number,
 *   slots: number, placed: {selector: string, found: boolean}[], preview: boolean,
 * }} Seen `service` and `page` are origins, `slots` how many the page has, `preview` whether its
 *   address asks for one.
 */

/**
 * @param {Seen} seen
 * @returns {Finding[]} The worst first; one good one when nothing is wrong.
 */
export function findings(seen) {
  const found = [
    ...ofInstallation(seen),
    ...ofConsent(seen),
    ...ofSlots(seen),
    ...ofPage(seen),
    ...ofAnswers(seen),
    ...ofFaults(seen),
  ];
  found.sort((a, b) => Number(b.level === "bad") - Number(a.level === "bad"));
  return found.length ? found : [{ level: "good", text: "Nothing is wrong on this page.", fix: "" }];
}

/** @param {string} text @param {string} fix @returns {Finding} */
const bad = (text, fix) => ({ level: "bad", text, fix });

/** @param {string} text @param {string} fix @returns {Finding} */
const note = (text, fix = "") => ({ level: "note", text, fix });

/** @param {Seen} seen @param {string} kind @returns {any[]} */
const all = ({ records }, kind) =>
  records.filter((record) => record.kind === kind).map(({ detail }) => detail);

/** @param {Seen} seen @param {string} kind @returns {any} */
const last = (seen, kind) => all(seen, kind).pop();

/** @param {Seen} seen */
function ofInstallation(seen) {
  const { key, service, page, snippets, preview } = seen;
  if (!key) {
    return [bad("The script tag names no shop.", 'Add data-shop="pk_…" from the console’s page Integration.')];
  }
  const config = last(seen, "config");
  const found = [];
  if (snippets > 1) {
    found.push(note(`The snippet is in this page ${snippets} times; it counts once.`, "Remove the others."));
  }
  if (config === null) {
    const fix = `Check the key ${key}; allow ${service} in connect-src of the page’s Content-Security-Policy; switch off blocking extensions.`;
    found.push(bad("The shop’s settings did not come.", fix));
  }
  if (config?.enabled === false) {
    found.push(bad("The widget is switched off.", "Switch it on: console, page Widget."));
  }
  if (preview && config && !config.preview) {
    found.push(bad("This preview link has ended, so you see what everybody sees.", "Open a new one: console, page Widget."));
  }
  if (page.startsWith("http:") && !/\/\/(localhost|127\.)/.test(page)) {
    found.push(note("The page comes by plain http, so the server alone decides the arm.", "Serve it by https."));
  }
  return found;
}

/** @param {Seen} seen */
function ofConsent(seen) {
  const consent = last(seen, "consent");
  if (!consent || consent.state === "granted" || last(seen, "config")?.preview) return [];
  const who = consent.explicit
    ? "The shop told so."
    : consent.gpc
      ? "The browser sends Global Privacy Control."
      : Object.keys(consent.platforms ?? {}).length
        ? `It is what ${Object.keys(consent.platforms).join(" and ")} says.`
        : "The shop’s setting asks for consent first, and nobody has told of one.";
  const text =
    consent.state === "denied"
      ? "The shopper refused: nothing is stored, sent or counted."
      : "Consent is missing so far: nothing is stored or sent, and nobody is counted.";
  return [note(text, who)];
}

/** @param {Seen} seen */
function ofSlots(seen) {
  const { placed, slots } = seen;
  const config = last(seen, "config");
  if (!config || config.enabled === false) return [];
  const found = placed
    .filter((one) => !one.found)
    .map(({ selector }) =>
      note(`No element of this page fits ${selector}.`, "Right on other kinds of pages; else correct the selector: console, page Widget."),
    );
  if (!slots) {
    const fix = 'Put <div data-recommender="product"></div> into the template, or place a slot: console, page Widget.';
    found.push(bad("This page has no slot, so nothing is drawn.", fix));
  }
  return [...found, ...newestStates(seen).flatMap((slot) => ofSlot(slot, seen))];
}

/**
 * Returns each slot's last state.
 * @param {Seen} seen
 * @returns {{slot: unknown, placement: string, state: string}[]}
 */
export function newestStates(seen) {
  const newest = new Map(all(seen, "slot").map((told) => [told.slot, told]));
  return [...newest.values()];
}

/** @param {{placement: string, state: string}} slot @param {Seen} seen @returns {Finding[]} */
function ofSlot({ placement, state }, seen) {
  const name = `Slot “${placement}”`;
  if (state === "off") {
    return [bad(`${name} is no placement of the shop, or is switched off.`, "Console, page Recommendations; placements are home, product, cart, category, search.")];
  }
  if (state === "waits") {
    return [note(`${name} is inside the window, where nothing may move.`, "It is drawn once that place is below the window. Place it further down, or open a preview.")];
  }
  if (state === "control") {
    return [note(`${name} stays empty on purpose: this browser is in the control group.`, "Open a preview to see recommendations: console, page Widget.")];
  }
  if (state === "silent") {
    return [note(`${name} stays empty on purpose: the experiment begins with an A/A fortnight, in which nobody is shown anything.`, "Open a preview to see recommendations: console, page Widget.")];
  }
  return state === "empty" ? [ofEmpty(name, placement, seen)] : [];
}

/** @param {string} name @param {string} placement @param {Seen} seen */
function ofEmpty(name, placement, seen) {
  const asked = all(seen, "slate").filter(({ question }) => question.placement === placement);
  const slate = asked.pop()?.slate;
  if (!slate) {
    return bad(`${name} got no answer within 1.5 seconds, or a refusal.`, `Is ${seen.page} among the shop’s origins? Console, page Integration. The browser’s network panel shows the answer.`);
  }
  const why = slate.fallback ? ` (${slate.fallback})` : "";
  return bad(`${name} got ${slate.items.length} items${why}, fewer than it needs.`, "Send the catalogue, or lower the smallest number: console, page Recommendations.");
}

/** @param {Seen} seen */
function ofPage(seen) {
  const asked = all(seen, "slate").some(
    ({ question }) => question.placement === "product" && !question.item_id,
  );
  if (!asked) return [];
  const fix = "Push GA4’s view_item, or mark the product up (JSON-LD, Open Graph, microdata), or write data-item-id on the slot.";
  return [bad("Nobody told which item this page shows.", fix)];
}

/** @param {Seen} seen @returns {Finding[]} */
function ofAnswers(seen) {
  const answer = last(seen, "answer");
  if (!answer || (answer.status >= 200 && answer.status < 300)) return [];
  if (answer.status === 0) {
    return [bad("Events got no answer; they are kept and sent again.", `Offline, or ${seen.service} is blocked: by connect-src of the page’s Content-Security-Policy, or by an extension.`)];
  }
  if (answer.status === 403) {
    return [bad(`Events are refused: ${seen.page} is not among the shop’s origins.`, "Ask your vendor to add it; the list is in the console, page Integration.")];
  }
  if (answer.status >= 500 || answer.status === 429) {
    return [note(`The server does not take events now (${answer.status}); they are sent again.`)];
  }
  return [bad(`Events are refused for good (${answer.status}).`, "The browser’s network panel shows the reason in the answer.")];
}

/** @param {Seen} seen */
const ofFaults = (seen) =>
  all(seen, "fault").map((error) => bad(`A fault of ours: ${error}`, "Please send this to your vendor."));
