/**
 * Whether the shopper may be known: granted, denied, or not yet answered.
 *
 * `implied` shops start as granted and remember a refusal; `required` shops start unanswered and
 * remember a grant. Nothing else is stored without a grant.
 */

/** @import {Store} from "./store.js" */

/**
 * @param {"implied" | "required"} mode
 * @param {Store} store
 * @param {{granted: () => void, denied: () => void}} effects Called at once when already decided.
 */
export function openConsent(mode, store, effects) {
  const required = mode === "required";
  let state = store.peek("consent") ?? (required ? "pending" : "granted");

  /** @param {string} choice */
  function decide(choice) {
    state = choice;
    if (choice === "granted") {
      store.keep(true);
      if (required) store.set("consent", choice);
      else store.remove("consent");
      effects.granted();
    } else if (choice === "denied") {
      store.wipe();
      if (!required) rememberRefusal(store);
      effects.denied();
    }
  }

  return {
    granted: () => state === "granted",
    denied: () => state === "denied",
    /** Puts a remembered or implied choice into force. */
    begin: () => decide(state),
    /** @param {unknown} choice */
    tell(choice) {
      if ((choice === "granted" || choice === "denied") && choice !== state) decide(choice);
    },
  };
}

/** @param {Store} store */
function rememberRefusal(store) {
  store.keep(true);
  store.set("consent", "denied");
  store.keep(false);
}
