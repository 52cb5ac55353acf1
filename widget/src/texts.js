/**
 * The few words the widget says itself. English and French are here, static/words has them all;
 * the settings bring those of the page's language where these two lack them.
 */

/** @import {Words} from "./types.js" */

/** @type {Record<string, Words>} */
const TEXTS = {
  en: {
    heading: "You may also like",
    previous: "Previous",
    next: "Next",
    add_to_cart: "Add to cart",
  },
  fr: {
    heading: "Vous aimerez aussi",
    previous: "Précédent",
    next: "Suivant",
    add_to_cart: "Ajouter au panier",
  },
};

/**
 * Returns the words of a strip.
 * @param {string} language BCP 47.
 * @param {Record<string, string>} [titles] The shop's own headings by language.
 * @param {Words} [words] Of the settings.
 * @returns {Words}
 */
export function textsFor(language, titles = {}, words) {
  const base = language.slice(0, 2).toLowerCase();
  const texts = words ?? TEXTS[base] ?? TEXTS.en;
  return { ...texts, heading: titles[language] ?? titles[base] ?? texts.heading };
}
