/** Puts the parts together: the one place that knows all of them. */

/** @import {Arm, Config, Context} from "./types.js" */
/** @import {Store} from "./store.js" */

import { assign } from "./arm.js";
import { openConsent } from "./consent.js";
import { followDataLayer, readEvent } from "./datalayer.js";
import { nextTask } from "./guard.js";
import { fetchSlate } from "./network.js";
import { openPlatforms } from "./platforms.js";
import { openQueue } from "./queue.js";
import { openReading } from "./reading.js";
import { openSlots } from "./slots.js";
import { trace } from "./trace.js";
import { openTracker } from "./tracker.js";
import { openTransport } from "./transport.js";
import { openVisitor } from "./visitor.js";

const MAX_CART = 50;

/**
 * @param {{
 *   origin: string, key: string, language: string, config: Config, store: Store, nonce: string,
 *   layer: string, early: Iterable<any>[],
 * }} given `early` are the calls made before there was anybody to answer them.
 * @returns {Promise<(call: Iterable<any>) => void>} Carries out a call of the page.
 */
export async function openApp({ origin, key, language, config, store, nonce, layer, early }) {
  const mayKnow = () => !(DEBUG && config.preview) && consent.granted();
  const visitor = openVisitor(store, mayKnow);
  const queue = openQueue(store);
  const wake = openTransport({
    url: `${origin}/v1/events?key=${key}`,
    queue,
    store,
    visitorId: visitor.id,
    maySend: mayKnow,
  });
  const tracker = openTracker({
    queue,
    store,
    session: visitor.session,
    state: () => (DEBUG && config.preview ? "denied" : consent.state()),
    added: wake,
    itemKnown: () => slots.itemKnown(),
  });

  /** @type {Promise<{id: string, arm: Arm}> | undefined} */
  let identity;
  async function identify() {
    const id = visitor.id();
    const arm = await assign(config.stratum, id);
    trace("arm", { id, arm });
    return { id, arm };
  }

  /** @param {string} placement @param {Context} context */
  async function ask(placement, context) {
    const cart = placement === "cart" ? tracker.cart().slice(0, MAX_CART).join() : "";
    const question = { ...context, key, placement, visitor_id: visitor.id(), language, cart };
    const slate = await fetchSlate(origin, question);
    trace("slate", { question, slate });
    return slate;
  }

  const slots = openSlots({
    config,
    language,
    nonce,
    context: tracker.context,
    visitor: () => (identity ??= identify()),
    ask,
    tell: tracker.tell,
  });
  const consent = openConsent(config.consent ?? "implied", store, () => {
    identity = undefined;
    if (consent.granted()) store.set("config", config);
    // Now, and not with the first request: tabs opened together would each make an id.
    visitor.id();
    if (consent.state() === "denied") visitor.forget();
    tracker.chosen();
    wake();
  });
  const platforms = openPlatforms(consent.hear);
  const readLayer = followDataLayer(layer, tracker.tell, platforms.google);

  function catchUp() {
    readLayer();
    platforms.look();
    consent.settle();
    // Behind consent, for before it nobody has an arm; before the page's markup is asked, for what
    // the shop says itself goes before what we find.
    early.splice(0).forEach(run);
  }

  /** @param {Iterable<any>} call */
  function run([command, told, more = {}]) {
    if (command === "consent") consent.tell(told);
    if (command === "slate") slots.slate(told[0], told[1]).then(more);
    if (command !== "event") return;
    readEvent(told?.type ?? told, told?.type ? told : more, "call").forEach(tracker.tell);
  }

  // On a slow telephone all of it would be one long task. Calls made meanwhile are early too.
  await nextTask();
  // A choice made already comes first, so that nothing is done which it forbids.
  for (const call of early) if ([...call][0] === "consent") run(call);
  openReading(layer, tracker, slots, catchUp);
  return run;
}
