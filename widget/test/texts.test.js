/** The words that are carried are the same as the server's, and the settings' words go before. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { textsFor } from "../src/texts.js";

const read = (language) => {
  const file = new URL(`../../static/words/${language}.json`, import.meta.url);
  const { reasons, ...words } = JSON.parse(readFileSync(file, "utf8"));
  return words;
};

test("English is that of static/words", () => {
  assert.deepEqual(textsFor("en"), read("en"));
});

test("a language that nobody speaks is answered in English", () => {
  assert.deepEqual(textsFor("xx"), read("en"));
  assert.deepEqual(textsFor(""), read("en"));
});

test("words of the settings go before, the shop's own headings before those", () => {
  const german = read("de");
  assert.deepEqual(textsFor("de-AT", {}, german), german);
  const { heading, next } = textsFor("de-AT", { de: "Für dich" }, german);
  assert.deepEqual([heading, next], ["Für dich", german.next]);
  assert.equal(textsFor("pt-BR", { pt: "A", "pt-BR": "B" }).heading, "B");
});
