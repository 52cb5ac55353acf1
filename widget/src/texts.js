/** The few words the widget says itself, by language: heading, previous, next. */

/** @type {Record<string, [string, string, string]>} */
const TEXTS = {
  en: ["You may also like", "Previous", "Next"],
  de: ["Das könnte Ihnen gefallen", "Zurück", "Weiter"],
  es: ["También te puede gustar", "Anterior", "Siguiente"],
  fr: ["Vous aimerez aussi", "Précédent", "Suivant"],
  it: ["Potrebbe piacerti anche", "Precedente", "Successivo"],
  nl: ["Misschien ook iets voor jou", "Vorige", "Volgende"],
  pl: ["Może Ci się spodobać", "Wstecz", "Dalej"],
  pt: ["Também pode gostar", "Anterior", "Seguinte"],
};

/**
 * Returns the words of a strip.
 * @param {string} language BCP 47; unknown ones get English.
 * @param {Record<string, string>} [titles] The shop's own headings by language.
 */
export function textsFor(language, titles = {}) {
  const base = language.slice(0, 2).toLowerCase();
  const [heading, previous, next] = TEXTS[base] ?? TEXTS.en;
  return { heading: titles[language] ?? titles[base] ?? heading, previous, next };
}
