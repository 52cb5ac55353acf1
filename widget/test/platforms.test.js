import { openPage } from "./browserlike.js";

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { openPlatforms } from "../src/platforms.js";

let page;
let heard;

beforeEach(() => {
  page = openPage();
  page.window.parent = page.window.top = page.window;
  heard = [];
});

/** Puts a platform on the page and listens. */
function open(platform) {
  Object.assign(page.window, platform);
  const platforms = openPlatforms((...told) => heard.push(told));
  platforms.look();
  return platforms;
}

/** A consent platform after IAB TCF 2.2, whose answers a test gives. */
function tcf() {
  const calls = [];
  return { calls, __tcfapi: (...call) => calls.push(call) };
}

const needed = { 1: true, 5: true, 6: true, 8: true };
const answer = (more) => ({ eventStatus: "tcloaded", gdprApplies: true, purpose: { consents: needed }, ...more });

test("a page without a platform says nothing", () => {
  open({});
  assert.deepEqual(heard, []);
});

test("TCF is asked once, with addEventListener of version 2, and is pending until it answers", () => {
  const { calls, __tcfapi } = tcf();
  const platforms = open({ __tcfapi });
  platforms.look();
  assert.equal(calls.length, 1);
  assert.deepEqual(calls[0].slice(0, 2), ["addEventListener", 2]);
  assert.deepEqual(heard, [["TCF", "pending"]]);
});

for (const [name, told, isGood, choice] of [
  ["all purposes", {}, true, "granted"],
  ["a choice made now", { eventStatus: "useractioncomplete" }, true, "granted"],
  ["a place without that law", { gdprApplies: false, purpose: { consents: {} } }, true, "granted"],
  ["one purpose missing", { purpose: { consents: { ...needed, 6: false } } }, true, "denied"],
  ["the question being shown", { eventStatus: "cmpuishown" }, true, undefined],
  ["nothing known yet", { gdprApplies: undefined }, true, undefined],
  ["a failure", {}, false, undefined],
]) {
  test(`TCF: ${name} means ${choice ?? "still pending"}`, () => {
    const { calls, __tcfapi } = tcf();
    open({ __tcfapi });
    calls[0][2](answer(told), isGood);
    assert.deepEqual(heard.slice(1), choice ? [["TCF", choice]] : []);
  });
}

test("TCF: a choice taken back is heard", () => {
  const { calls, __tcfapi } = tcf();
  open({ __tcfapi });
  const [, , listener] = calls[0];
  listener(answer({}), true);
  listener(answer({ eventStatus: "useractioncomplete", purpose: { consents: {} } }), true);
  assert.deepEqual(heard.map(([, choice]) => choice), ["pending", "granted", "denied"]);
});

test("TCF: one that answers at once is not pending any more", () => {
  open({ __tcfapi: (command, version, callback) => callback(answer({}), true) });
  assert.deepEqual(heard, [["TCF", "pending"], ["TCF", "granted"]]);
});

/** A platform in a page around the one that holds our frame, which forbids to look inside. */
function openAround() {
  const calls = [];
  const around = { __tcfapiLocator: {}, postMessage: (...call) => calls.push(call) };
  Object.defineProperty(around, "__tcfapi", {
    get() {
      throw new Error("SecurityError");
    },
  });
  page.window.parent = { parent: around };
  page.window.top = around;
  const say = (source, data) =>
    page.window.dispatchEvent(Object.assign(new Event("message"), { source, data }));
  return { around, calls, say };
}

const PENDING = ["TCF", "pending"];

test("TCF: a platform around our frame is asked once, by message", () => {
  const { calls } = openAround();
  open({}).look();
  assert.equal(calls.length, 1);
  const [{ __tcfapiCall }, origin] = calls[0];
  assert.deepEqual([__tcfapiCall.command, __tcfapiCall.version], ["addEventListener", 2]);
  assert.equal(origin, "*");
  assert.deepEqual(heard, [PENDING]);
});

test("TCF: only that platform's answer to our question counts", () => {
  const { around, calls, say } = openAround();
  open({});
  const { callId } = calls[0][0].__tcfapiCall;
  const told = { callId, success: true, returnValue: answer({}) };
  for (const data of [null, "text", {}, { __tcfapiReturn: { ...told, callId: "other" } }]) {
    say(around, data);
  }
  say({}, { __tcfapiReturn: told });
  assert.deepEqual(heard, [PENDING]);
  say(around, { __tcfapiReturn: told });
  assert.deepEqual(heard, [PENDING, ["TCF", "granted"]]);
});

test("TCF: pages around our frame without a platform say nothing", () => {
  const around = {};
  page.window.parent = page.window.top = around;
  open({});
  assert.deepEqual(heard, []);
});

test("TCF: one that comes late is found", () => {
  const platforms = open({});
  const { calls, __tcfapi } = tcf();
  Object.assign(page.window, { __tcfapi });
  platforms.look();
  assert.equal(calls.length, 1);
});

test("TCF: one whose frame comes before itself is pending, then asked", () => {
  const platforms = open({ __tcfapiLocator: {} });
  assert.deepEqual(heard, [PENDING]);
  const { calls, __tcfapi } = tcf();
  Object.assign(page.window, { __tcfapi });
  platforms.look();
  assert.equal(calls.length, 1);
});

for (const [command, signals, choice] of [
  ["default", { analytics_storage: "denied", ad_storage: "denied" }, "pending"],
  ["default", { analytics_storage: "granted" }, undefined],
  ["update", { analytics_storage: "granted" }, "granted"],
  ["update", { analytics_storage: "denied" }, "denied"],
  ["update", { ad_storage: "granted", ad_user_data: "granted" }, undefined],
  ["update", undefined, undefined],
]) {
  test(`Google: ${command} of ${JSON.stringify(signals)} means ${choice ?? "nothing"}`, () => {
    open({}).google(command, signals);
    assert.deepEqual(heard, choice ? [["Google", choice]] : []);
  });
}

test("Shopify: allowed or not yet, and a choice made on this page", () => {
  let preferences = false;
  const customerPrivacy = {
    analyticsProcessingAllowed: () => true,
    preferencesProcessingAllowed: () => preferences,
  };
  open({ Shopify: { customerPrivacy } });
  const choose = (allowed) => {
    preferences = allowed;
    page.document.dispatchEvent(new Event("visitorConsentCollected"));
  };
  choose(true);
  choose(false);
  assert.deepEqual(heard.map(([, choice]) => choice), ["pending", "granted", "denied"]);
});

test("WordPress: statistics and preferences, and a choice made on this page", () => {
  const allowed = new Set(["statistics"]);
  open({ wp_has_consent: (category) => allowed.has(category) });
  allowed.add("preferences");
  page.document.dispatchEvent(new Event("wp_listen_for_consent_change"));
  allowed.clear();
  page.document.dispatchEvent(new Event("wp_listen_for_consent_change"));
  assert.deepEqual(heard.map(([, choice]) => choice), ["pending", "granted", "denied"]);
});
