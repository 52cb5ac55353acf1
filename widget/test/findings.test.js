/** Each thing that goes wrong with an integration is said, with what to do. */

import assert from "node:assert/strict";
import test from "node:test";

import { findings, newestStates } from "../src/findings.js";

const CONFIG = ["config", { enabled: true }];

/** @param {[string, unknown][]} diary @param {object} [more] */
const seen = (diary, more = {}) => ({
  records: diary.map(([kind, detail]) => ({ at_ms: 0, kind, detail })),
  key: "pk_1",
  service: "https://service.example",
  page: "https://shop.example",
  snippets: 1,
  slots: 1,
  placed: [],
  preview: false,
  ...more,
});
const texts = (diary, more) => findings(seen(diary, more)).map(({ text }) => text);

test("a page on which all is well", () => {
  const diary = [
    CONFIG,
    ["consent", { state: "granted", platforms: {} }],
    ["slot", { slot: "s", placement: "product", state: "drawn" }],
    ["slate", { question: { placement: "product", item_id: "a" }, slate: { items: [1, 2] } }],
    ["answer", { ids: ["e"], status: 202 }],
  ];
  assert.deepEqual(texts(diary), ["Nothing is wrong on this page."]);
});

for (const [name, diary, more, said] of [
  ["no site key", [], { key: "" }, /names no shop/],
  ["settings that do not come", [["config", null]], {}, /settings did not come/],
  ["kill switch", [["config", { enabled: false }]], {}, /switched off/],
  ["ended preview", [["config", { preview: false }]], { preview: true }, /link has ended/],
  ["pasted twice", [CONFIG], { snippets: 2 }, /2 times/],
  ["plain http", [CONFIG], { page: "http://shop.example" }, /plain http/],
  ["refusal", [CONFIG, ["consent", { state: "denied", explicit: "denied" }]], {}, /refused/],
  ["no consent yet", [CONFIG, ["consent", { state: "pending" }]], {}, /missing so far/],
  ["no slot", [CONFIG], { slots: 0 }, /has no slot/],
  ["selector", [CONFIG], { placed: [{ selector: ".x", found: false }] }, /fits \.x/],
  ["placement off", [CONFIG, slot("off")], {}, /no placement/],
  ["in the window", [CONFIG, slot("waits")], {}, /nothing may move/],
  ["control", [CONFIG, slot("control")], {}, /control group/],
  ["A/A", [CONFIG, slot("silent")], {}, /A\/A fortnight/],
  ["no answer", [CONFIG, slate(null), slot("empty")], {}, /no answer within/],
  ["too few", [CONFIG, slate({ items: [1], fallback: "too_few" }), slot("empty")], {}, /1 items \(too_few\)/],
  ["no item", [CONFIG, ["slate", { question: { placement: "product" } }]], {}, /which item/],
  ["offline", [CONFIG, ["answer", { ids: [], status: 0 }]], {}, /no answer; they are kept/],
  ["origin", [CONFIG, ["answer", { ids: [], status: 403 }]], {}, /not among the shop’s origins/],
  ["overload", [CONFIG, ["answer", { ids: [], status: 503 }]], {}, /sent again/],
  ["poison", [CONFIG, ["answer", { ids: [], status: 422 }]], {}, /for good \(422\)/],
  ["fault", [CONFIG, ["fault", new Error("oh")]], {}, /oh/],
]) {
  test(name, () => {
    const found = texts(diary, more);
    assert.equal(found.filter((text) => said.test(text)).length, 1, found.join("\n"));
  });
}

test("the worst comes first", () => {
  const found = findings(seen([["config", null]], { snippets: 2 }));
  assert.deepEqual(found.map(({ level }) => level), ["bad", "note"]);
});

test("of a slot its last state counts", () => {
  const diary = [CONFIG, slot("waits"), slot("drawn")];
  assert.deepEqual(newestStates(seen(diary)).map(({ state }) => state), ["drawn"]);
});

function slot(state) {
  return ["slot", { slot: "s", placement: "home", state }];
}

function slate(answer) {
  return ["slate", { question: { placement: "home" }, slate: answer }];
}
