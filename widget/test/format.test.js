import "./browserlike.js";

import assert from "node:assert/strict";
import { test } from "node:test";

import { formatPrice, safeUrl } from "../src/format.js";
import { textsFor } from "../src/texts.js";

const plain = (text) => text.replace(/\s/g, " ");

test("prices follow the language and the currency's own decimals", () => {
  assert.equal(formatPrice(1290, "GBP", "en-GB"), "£12.90");
  assert.equal(plain(formatPrice(129_050, "EUR", "de")), "1.290,50 €");
  assert.equal(formatPrice(1290, "JPY", "ja"), "￥1,290");
  assert.equal(plain(formatPrice(1290, "KWD", "en")), "KWD 1.290");
});

test("a price that cannot be written is left out", () => {
  assert.equal(formatPrice(null, "EUR", "en"), "");
  assert.equal(formatPrice(12.5, "EUR", "en"), "");
  assert.equal(formatPrice(1290, "euros", "en"), "");
  assert.equal(formatPrice(1290, "EUR", "not a language"), "");
});

test("only web addresses are linked", () => {
  const base = "https://shop.example/a/b";
  assert.equal(safeUrl("/p/1", base), "https://shop.example/p/1");
  assert.equal(safeUrl("c?d=1", base), "https://shop.example/a/c?d=1");
  assert.equal(safeUrl("//cdn.example/p.jpg", base), "https://cdn.example/p.jpg");
  assert.equal(safeUrl("http://other.example/", base), "http://other.example/");
  for (const url of [
    "javascript:alert(1)",
    " JavaScript:alert(1)",
    "java\nscript:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "blob:https://shop.example/1",
    "http://[",
    "",
    undefined,
    null,
  ]) {
    assert.equal(safeUrl(url, base), "", String(url));
  }
});

test("the shop's heading goes before ours, in the page's language", () => {
  const titles = { en: "For you", "fr-CA": "Pour toi" };
  assert.equal(textsFor("en-GB", titles).heading, "For you");
  assert.equal(textsFor("fr-CA", titles).heading, "Pour toi");
  assert.equal(textsFor("fr", titles).heading, "Vous aimerez aussi");
  assert.equal(textsFor("xx", {}).heading, "You may also like");
  assert.equal(textsFor("", undefined).next, "Next");
});
