import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

import { INTERNAL_NAMES } from "../internal-names.js";

const here = (path) => new URL(path, import.meta.url);
const wire = readFileSync(here("../src/types.d.ts"), "utf8");
const stub = readFileSync(here("../types/recommender.d.ts"), "utf8");
const typescript = here("../node_modules/@typescript/");
const libraries = readdirSync(typescript, { recursive: true })
  .filter((path) => /lib\.(dom|es5|es2015\.core|es2015\.collection)\.d\.ts$/.test(path))
  .map((path) => readFileSync(new URL(path, typescript), "utf8"));

const declares = (text, name) => new RegExp(`^\\s+(readonly )?${name}\\??[:(<]`, "m").test(text);

test("no shortened name is one that others read", () => {
  assert.ok(libraries.length >= 4, "TypeScript's own declarations of the browser were found");
  for (const name of INTERNAL_NAMES) {
    assert.ok(!declares(wire, name) && !declares(stub, name), `${name} travels`);
    for (const library of libraries) assert.ok(!declares(library, name), `browsers have ${name}`);
  }
});

test("a name that others read would be found", () => {
  assert.ok(declares(wire, "item_id"));
  assert.ok(libraries.some((library) => declares(library, "addEventListener")));
});
