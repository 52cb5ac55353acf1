/** Puts the parts together: the one place that knows all of them. */

/** @import {Arm, Config, Context} from "./types.js" */
/** @import {Store} from "./store.js" */

import { assign } from "./arm.js";
import { openConsent } from "./consent.js";
import { readEvent } from "./datalayer.js";
import { whenOff } from "./guard.js";
import { fetchSlate } from "./network.js";
import { openQueue } from "./queue.js";
import { openReading } from "./reading.js";
import { openSlots } from "./slots.js";
import { openTracker } from "./tracker.js";
import { openTransport } from "./transport.js";
import { openVisitor } from "./visitor.js";

const MAX_CART = 50;

/**
 * @param {{
 *   origin: string, key: string, config: Config, store: Store, nonce: string, layer: string,
 *   early: Iterable<any>[], rememberOff: () => void,
 * }} given `early` are the calls made before there was anybody to answer them.
 * @returns {(call: Iterable<any>) => void} Carries out a call of the page.
 */
export function openApp({ origin, key, config, store, nonce, layer, early, rememberOff }) {
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
  let identity;
  async function identify() {
    const id = visitor.id();
    return { id, arm: await assign(config.stratum, id) };
  }

  /** @param {string} placement @param {Context} context */
  function ask(placement, context) {
    const cart = placement === "cart" ? listOf(tracker.cart()) : "";
    const visitor_id = visitor.id();
    return fetchSlate(origin, { ...context, key, placement, visitor_id, language, cart });
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
  const consent = openConsent(config.consent ?? "implied", store, {
    granted() {
      identity = undefined;
      transport.wake();
    },
    denied() {
      identity = undefined;
      visitor.forget();
    },
  });

  /** @param {Iterable<any>} call */
  function run([command, told, more = {}]) {
    if (command === "consent") consent.tell(told);
    if (command !== "event") return;
    const fact = typeof told === "string" ? readEvent(told, more) : readEvent(told?.type, told);
    if (fact) tracker.tell(fact);
  }

  whenOff(() => consent.granted() && rememberOff());
  // A choice made already comes first, so that nothing is done which it forbids.
  for (const call of early) if ([...call][0] === "consent") run(call);
  consent.begin();
  openReading(layer, tracker, slots);
  early.forEach(run);
  return run;
}

/** @param {string[]} ids */
const listOf = (ids) =>
  ids
    .filter((id) => !id.includes(","))
    .slice(0, MAX_CART)
    .join();
