/** The widget as a module: nothing happens until `install` is called. */

import { install as installWith } from "./install.js";

/**
 * Installs the widget on the page.
 * @param {{shop: string, origin: string, layer?: string, nonce?: string}} given `shop` is the site
 *   key, `origin` the service's.
 */
export function install({ shop, origin, layer = "dataLayer", nonce = "" }) {
  installWith(shop, origin, layer, nonce);
  return window.recommender;
}
