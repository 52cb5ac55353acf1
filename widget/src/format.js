/** Prices and addresses as a shopper may get them. Pure. */

/** @import {Config} from "./types.js" */

/** @typedef {ReturnType<typeof openPrices>} Price */

/**
 * Returns what writes prices in the page's language. With the settings' patterns it needs no
 * `Intl`, whose first use on a page takes a telephone 50 ms in one piece.
 * @param {Pick<Config, "currency" | "currency_decimals" | "price_patterns">} config
 * @param {string} language BCP 47.
 */
export function openPrices({ currency: own, currency_decimals, price_patterns = [] }, language) {
  /**
   * Writes an amount; empty when it cannot be written.
   * @param {number | null} minor In minor units.
   * @param {string} currency ISO 4217.
   */
  return (minor, currency) => {
    const digits = String(minor);
    if (!/^\d+$/.test(digits)) return "";
    if (currency !== own) return writtenByBrowser(digits, currency, language);
    return (
      price_patterns.map((pattern) => fill(pattern, digits)).find(Boolean) ??
      writtenByBrowser(digits, currency, language, currency_decimals)
    );
  };
}

/**
 * @param {string} digits
 * @param {string} currency
 * @param {string} language
 * @param {number} [decimals] Of the currency; otherwise as many as browsers write.
 */
function writtenByBrowser(digits, currency, language, decimals) {
  try {
    const format = new Intl.NumberFormat(language, { style: "currency", currency });
    const { maximumFractionDigits = 2 } = format.resolvedOptions();
    return format.format(Number(digits) / 10 ** (decimals ?? maximumFractionDigits));
  } catch {
    return ""; // not a currency, or not a language
  }
}

/**
 * Fills a pattern such as `#.##0,00 €` from its end. What no digit needs leaves, but for zeros.
 * @param {string} pattern
 * @param {string} digits
 * @returns {string} Empty when the pattern has no room for them.
 */
function fill(pattern, digits) {
  const rest = [...digits];
  const text = [...pattern].reduceRight(
    (end, place) => (/[#0]/.test(place) ? (rest.pop() ?? place) : place) + end,
    "",
  );
  return rest.length ? "" : text.replace(/#(.*#)?\D?/, "");
}

/**
 * Returns an absolute http(s) address, or nothing for any other scheme.
 * @param {string} url Absolute, or relative to `base`.
 * @param {string} base
 */
export function safeUrl(url, base) {
  try {
    const { protocol, href } = new URL(url, base);
    return url && /^https?:$/.test(protocol) ? href : "";
  } catch {
    return "";
  }
}
