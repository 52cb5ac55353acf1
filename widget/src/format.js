/** Prices and addresses as a shopper may get them. Pure. */

/**
 * Formats by language and currency: each takes long to make.
 * @type {Map<string, Intl.NumberFormat>}
 */
const formats = new Map();

/**
 * Writes an amount of minor units in the page's language; empty when it cannot be written.
 * @param {number | null} minor
 * @param {string} currency ISO 4217.
 * @param {string} language BCP 47.
 */
export function formatPrice(minor, currency, language) {
  if (!Number.isInteger(minor)) return "";
  try {
    const name = language + currency;
    const options = /** @type {const} */ ({ style: "currency", currency });
    const format = formats.get(name) ?? new Intl.NumberFormat(language || undefined, options);
    formats.set(name, format);
    const { maximumFractionDigits: digits = 2 } = format.resolvedOptions();
    return format.format(Number(minor) / 10 ** digits);
  } catch {
    return ""; // not a currency, or not a language
  }
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
