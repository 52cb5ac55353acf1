/**
 * Keeps the widget harmless: no error of ours reaches the page, and after the third we stop.
 *
 * Every function that the browser or the page calls is wrapped here.
 */

import { trace } from "./trace.js";

const FAULT_LIMIT = 3;

let faults = 0;
/** @type {(() => unknown)[]} */
const endings = [];

/**
 * Remembers what to do when the widget gives up.
 * @param {() => unknown} ending
 */
export const whenOff = (ending) => endings.push(ending);

/**
 * Does what browsers or other scripts may have made impossible.
 * @template T
 * @param {() => T} action
 * @returns {T | null} null when it threw.
 */
export function attempt(action) {
  try {
    return action();
  } catch {
    return null;
  }
}

/** @param {unknown} error */
function countFault(error) {
  console.debug("[recommender]", error);
  trace("fault", error);
  if (++faults === FAULT_LIMIT) endings.forEach(attempt);
}

/**
 * Wraps a function so that its errors, also later ones of a promise, are counted, never thrown.
 * An async function does both by itself, whatever the page made of `Promise`.
 * @template {unknown[]} A
 * @param {(...args: A) => unknown} action
 * @returns {(...args: A) => void}
 */
export const guarded = (action) => async (...args) => {
  if (faults >= FAULT_LIMIT) return;
  try {
    await action(...args);
  } catch (error) {
    countFault(error);
  }
};

/**
 * Listens to a target, guarded.
 * @param {EventTarget} target
 * @param {string} type
 * @param {(event: any) => unknown} action
 */
export const listen = (target, type, action) =>
  target.addEventListener(type, guarded(action));

/**
 * Does something later, guarded.
 * @param {() => unknown} action
 * @param {number} delay_ms
 */
export const later = (action, delay_ms) => setTimeout(guarded(action), delay_ms);

/** Lets the browser draw and answer the shopper first; what follows is a task of its own. */
export const nextTask = () => new Promise((resolve) => setTimeout(resolve));
