import "./browserlike.js";

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { openPrices, safeUrl } from "../src/format.js";

const VECTORS = JSON.parse(
  readFileSync(new URL("../../tests/vectors/prices.json", import.meta.url), "utf8"),
);
/** The first with CLDR 47, which the server's Babel has too. */
const OLDEST_ICU = 77;
const AMOUNTS = 200;
const plain = (text) => text.replace(/\s/g, " ");

/** Writes a price as where the settings have no patterns. */
const byBrowser = (minor, currency, language) =>
  openPrices({ currency: "EUR" }, language)(minor, currency);

/** Amounts of every length that a pattern must take, as many of each; the same in every run. */
function* amounts() {
  let state = 1;
  for (let i = 0; i < AMOUNTS; i++) {
    state = (state * 48_271) % 2_147_483_647;
    yield Math.floor((state / 2_147_483_647) * 10 ** (1 + (i % 15)));
  }
}

test("prices follow the language and the currency's own decimals", () => {
  assert.equal(byBrowser(1290, "GBP", "en-GB"), "£12.90");
  assert.equal(plain(byBrowser(129_050, "EUR", "de")), "1.290,50 €");
  assert.equal(byBrowser(1290, "JPY", "ja"), "￥1,290");
  assert.equal(plain(byBrowser(1290, "KWD", "en")), "KWD 1.290");
});

test(
  "with a pattern of the settings a price is what the browser would write",
  { skip: parseInt(process.versions.icu) < OLDEST_ICU && "its languages are older than Babel's" },
  () => {
    for (const { language, currency, patterns } of VECTORS) {
      const price = openPrices({ currency, price_patterns: patterns }, language);
      const format = new Intl.NumberFormat(language, { style: "currency", currency });
      const unit = 10 ** format.resolvedOptions().maximumFractionDigits;
      for (const minor of [0, 9, 10, 99, 999, 99_999, 999_999, 1_000_000, ...amounts()]) {
        assert.equal(price(minor, currency), format.format(minor / unit), `${language} ${minor}`);
      }
    }
  },
);

test("a pattern is filled without the browser's help", (t) => {
  t.mock.method(Intl, "NumberFormat", () => assert.fail("Intl was asked"));
  const price = openPrices({ currency: "XTS", price_patterns: ["#0,00 ¤", "#.##0,00 ¤"] }, "xx");
  assert.equal(price(7, "XTS"), "0,07 ¤");
  assert.equal(price(1234, "XTS"), "12,34 ¤");
  assert.equal(price(12345, "XTS"), "123,45 ¤");
  assert.equal(price(123456, "XTS"), "1.234,56 ¤");
});

test("without room, or in another currency, the browser writes the price", () => {
  const price = openPrices({ currency: "USD", price_patterns: ["0.00"] }, "en");
  assert.equal(price(123, "USD"), "1.23");
  assert.equal(price(1234, "USD"), "$12.34");
  assert.equal(price(123, "GBP"), "£1.23");
});

test("a currency that browsers write without its decimals keeps its value", () => {
  const price = openPrices({ currency: "HUF", currency_decimals: 2 }, "hu");
  assert.match(price(129_000, "HUF"), /^1\s?290(,00)?\s?Ft$/);
});

test("a price that cannot be written is left out", () => {
  assert.equal(byBrowser(null, "EUR", "en"), "");
  assert.equal(byBrowser(12.5, "EUR", "en"), "");
  assert.equal(byBrowser(-1290, "EUR", "en"), "");
  assert.equal(byBrowser(1290, "euros", "en"), "");
  assert.equal(byBrowser(1290, "EUR", "not a language"), "");
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
