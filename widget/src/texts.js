/**
 * The few words the widget says itself. English ones are here, for pages in a language we do not
 * speak; static/words has them all, and the settings bring those of the page's language.
 */

/** @import {Words} from "./types.js" */

/** @type {Words} */
const ENGLISH = {
  heading: "You may also like",
  previous: "Previous",
  next: "Next",
  add_to_cart: "Add to cart",
};

/**
 * Returns the words of a strip.
 * @param {string} language BCP 47.
 * @param {Record<string, string>} [titles] The shop's own headings by language.
 * @param {Words} [words] Of the settings.
 * @returns {Words}
 */
export function textsFor(language, titles = {}, words = ENGLISH) {
  const base = language.slice(0, 2).toLowerCase();
  return { ...words, heading: titles[language] ?? titles[base] ?? words.heading };
}
