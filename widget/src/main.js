/**
 * In comes one script tag, out goes one global function.
 *
 * With `?recommender=debug` or `?recommender=preview` in the page's address, the file that can do
 * these takes over.
 */

import { guarded } from "./guard.js";
import { install } from "./install.js";

guarded(() => {
  const script = /** @type {HTMLScriptElement | null} */ (
    document.currentScript ?? document.querySelector("script[data-shop]")
  );
  if (!script) return;
  const { origin, searchParams } = new URL(script.src);
  const { shop, layer = "dataLayer" } = script.dataset;
  // Tag managers drop data attributes, so the key may stand in the address instead.
  const key = shop || (searchParams.get("shop") ?? "");
  if (DEBUG || !/[?&]recommender=(debug|preview)/.test(location.search)) {
    install(key, origin, layer, script.nonce);
    return;
  }
  const other = document.createElement("script");
  other.src = `${origin}/widget-debug.js?shop=${key}`;
  other.dataset.layer = layer;
  other.nonce = script.nonce;
  script.after(other);
})();
