/** The few words the widget says itself; they come with the settings. */

/** @import {Words} from "./types.js" */

/**
 * Returns the words of a strip.
 * @param {string} language BCP 47.
 * @param {Words | undefined} words Of the settings; those of an older version may have none.
 * @param {Record<string, string>} [titles] The shop's own headings by language.
 * @returns {Words}
 */
export function textsFor(language, words, titles = {}) {
  const base = language.slice(0, 2).toLowerCase();
  const heading = titles[language] ?? titles[base] ?? words?.heading ?? "";
  return /** @type {Words} */ ({ ...words, heading });
}
