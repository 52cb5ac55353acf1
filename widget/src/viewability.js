/**
 * Tells when a slot was really on screen: half its height for one second, in a visible tab.
 *
 * Treatment and control must be judged alike, but control has nothing drawn. So both observe the
 * same inert point at the slot's upper edge, with the margins at which half of a strip of nominal
 * height is inside the window. Source: MRC viewability guidelines, display.
 */

import { guarded, later, listen, whenOff } from "./guard.js";

const VIEWED_MS = 1000;

/**
 * Calls `seen` once.
 * @param {Element} sentinel
 * @param {number} height_px Nominal height of what stands, or would stand, below the sentinel.
 * @param {() => void} seen
 */
export function whenViewed(sentinel, height_px, seen) {
  const half = Math.round(height_px / 2);
  let inside = false;
  let done = false;
  let timer = 0;

  function judge() {
    clearTimeout(timer);
    if (done || !inside || document.visibilityState !== "visible") return;
    timer = later(() => {
      done = true;
      observer.disconnect();
      seen();
    }, VIEWED_MS);
  }

  const observe = guarded((/** @type {IntersectionObserverEntry[]} */ entries) => {
    inside = entries[entries.length - 1].isIntersecting;
    judge();
  });
  const observer = new IntersectionObserver(observe, { rootMargin: `${half}px 0px ${-half}px` });
  observer.observe(sentinel);
  listen(document, "visibilitychange", judge);
  whenOff(() => observer.disconnect());
}

/**
 * Calls `act` as soon as an element lies below the window, where taking away its room moves
 * nothing that the shopper sees.
 * @param {Element} element
 * @param {() => void} act
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
}
