/** The settings' words, and before them the shop's own headings. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { textsFor } from "../src/texts.js";

const read = (language) => {
  const file = new URL(`../../static/words/${language}.json`, import.meta.url);
  const { reasons, ...words } = JSON.parse(readFileSync(file, "utf8"));
  return words;
};

test("the shop's own headings go before the settings' words", () => {
  const german = read("de");
  assert.deepEqual(textsFor("de-AT", german), german);
  const { heading, next } = textsFor("de-AT", german, { de: "Für dich" });
  assert.deepEqual([heading, next], ["Für dich", german.next]);
  assert.equal(textsFor("de-AT", german, { en: "For you" }).heading, german.heading);
  assert.equal(textsFor("pt-BR", read("pt"), { pt: "A", "pt-BR": "B" }).heading, "B");
});
