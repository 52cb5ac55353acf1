/**
 * Tells when a slot was really on screen: half its height for one second, in a visible tab.
 *
 * Treatment and control must be judged alike, but control has nothing drawn. So both observe the
 * same inert point at the slot's upper edge, with the margins at which half of a strip of nominal
 * height is inside the window. Source: MRC viewability guidelines, display.
 */

import { guarded, later } from "./guard.js";

const VIEWED_MS = 1000;

/**
 * Calls `seen` once.
 * @param {Element} sentinel
 * @param {number} height_px Nominal height of what stands, or would stand, below the sentinel.
 * @param {() => void} seen
 * @returns {() => void} Stops observing.
 */
export function whenViewed(sentinel, height_px, seen) {
  const half = Math.round(height_px / 2);
  let inside = false;
  let timer = 0;

  const judge = guarded(() => {
    clearTimeout(timer);
    if (inside && document.visibilityState === "visible") timer = later(finish, VIEWED_MS);
  });

  const observe = guarded((/** @type {IntersectionObserverEntry[]} */ entries) => {
    inside = entries[entries.length - 1].isIntersecting;
    judge();
  });
  const observer = new IntersectionObserver(observe, { rootMargin: `${half}px 0px ${-half}px` });

  function stop() {
    clearTimeout(timer);
    observer.disconnect();
    document.removeEventListener("visibilitychange", judge);
  }

  function finish() {
    stop();
    seen();
  }

  observer.observe(sentinel);
  document.addEventListener("visibilitychange", judge);
  return stop;
}

/**
 * Calls `act` as soon as an element lies below the window, where taking away its room moves
 * nothing that the shopper sees.
 * @param {Element} element
 * @param {() => void} act
 * @returns {() => void} Stops observing.
 */
export function whenBelow(element, act) {
  const observe = guarded((/** @type {IntersectionObserverEntry[]} */ entries) => {
    const { isIntersecting, boundingClientRect } = entries[entries.length - 1];
    if (isIntersecting || boundingClientRect.top < innerHeight) return;
    observer.disconnect();
    act();
  });
  const observer = new IntersectionObserver(observe);
  observer.observe(element);
  return () => observer.disconnect();
}
