/**
 * Keeps the widget harmless: no error of ours reaches the page, and after the third we stop.
 *
 * Every function that the browser or the page calls is wrapped here.
 */

const FAULT_LIMIT = 3;

let faults = 0;
/** @type {(() => void)[]} */
const endings = [];

/** Tells whether the widget has given up on this page. */
export const isOff = () => faults >= FAULT_LIMIT;

/**
 * Remembers what to do when the widget gives up.
 * @param {() => void} ending
 */
export const whenOff = (ending) => endings.push(ending);

/** @param {unknown} error */
function countFault(error) {
  console.debug("[recommender]", error);
  if (++faults !== FAULT_LIMIT) return;
  for (const ending of endings) {
    try {
      ending();
    } catch {
      // Giving up is the last resort; nothing is left to do about its own failure.
    }
  }
}

/**
 * Wraps a function so that its errors, also later ones of a promise, are counted, never thrown.
 * @template {unknown[]} A
 * @param {(...args: A) => unknown} action
 * @returns {(...args: A) => void}
 */
export function guarded(action) {
  return (...args) => {
    if (isOff()) return;
    try {
      const result = action(...args);
      if (result instanceof Promise) result.catch(countFault);
    } catch (error) {
      countFault(error);
    }
  };
}

/**
 * Listens to a target, guarded.
 * @param {EventTarget} target
 * @param {string} type
 * @param {(event: any) => unknown} action
 */
export const listen = (target, type, action) =>
  target.addEventListener(type, guarded(action), { passive: true });

/**
 * Does something later, guarded.
 * @param {() => unknown} action
 * @param {number} delay_ms
 */
export const later = (action, delay_ms) => setTimeout(guarded(action), delay_ms);
