import "./browserlike.js";

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { assign } from "../src/arm.js";

const vectors = JSON.parse(
  readFileSync(new URL("../../tests/vectors/assignment.json", import.meta.url), "utf8"),
);

test("the browser draws the same arm as the server", async () => {
  assert.ok(vectors.length > 100);
  for (const { salt, visitor_id, treatment_share_ppm, arm } of vectors) {
    const drawn = await assign({ stratum: 1, salt, treatment_share_ppm }, visitor_id);
    assert.equal(drawn, arm, JSON.stringify({ salt, visitor_id, treatment_share_ppm }));
  }
});

test("without a visitor there is no arm", async () => {
  assert.equal(await assign({ stratum: 1, salt: "s", treatment_share_ppm: 1e6 }, ""), "");
  assert.equal(await assign(undefined, "somebody"), "");
});
