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
 * Calls `told` with the newest entry of an element, each time it enters or leaves the window.
 * @param {Element} element
 * @param {(entry: IntersectionObserverEntry) => void} told
 * @param {string} [rootMargin]
 * @returns {() => void} Stops observing.
 */
function follow(element, told, rootMargin) {
  const observe = guarded((/** @type {IntersectionObserverEntry[]} */ entries) =>
    told(entries[entries.length - 1]),
  );
  const observer = new IntersectionObserver(observe, { rootMargin });
  observer.observe(element);
  return () => observer.disconnect();
}

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

  const unfollow = follow(
    sentinel,
    ({ isIntersecting }) => {
      inside = isIntersecting;
      judge();
    },
    `${half}px 0px ${-half}px`,
  );

  function stop() {
    clearTimeout(timer);
    unfollow();
    document.removeEventListener("visibilitychange", judge);
  }

  function finish() {
    stop();
    seen();
  }

  document.addEventListener("visibilitychange", judge);
  return stop;
}

/**
 * Calls `act` as soon as an element lies below the window, where giving or taking room moves
 * nothing that the shopper sees.
 * @param {Element} element
 * @param {() => void} act
 * @returns {() => void} Stops observing.
 */
export function whenBelow(element, act) {
  const stop = follow(element, ({ isIntersecting, boundingClientRect }) => {
    if (isIntersecting || boundingClientRect.top < innerHeight) return;
    stop();
    act();
  });
  return stop;
}
