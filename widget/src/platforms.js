/**
 * Listens to consent platforms; never tells them anything.
 *
 * Source: IAB TCF 2.2 (CMP API v2), Google Consent Mode v2, Shopify's Customer Privacy API, the WP
 * Consent API.
 */

/** @import {ConsentState} from "./types.js" */

import { attempt, guarded, listen } from "./guard.js";

/** Store on the device; make and use a profile for content; measure content. */
const TCF_PURPOSES = [1, 5, 6, 8];
const CALL_ID = "rcm_tcf";
const WP_CATEGORIES = ["statistics", "preferences"];

/**
 * @param {(platform: string, choice: ConsentState) => void} hear
 * @returns {{look: () => void, google: (command: string, signals: any) => void}} `look` finds
 *   platforms that have come meanwhile, `google` takes commands from the data layer.
 */
export function openPlatforms(hear) {
  const page = /** @type {any} */ (window);
  /** @type {any} The window whose platform was asked. */
  let asked;

  function followTcf() {
    let frame = page;
    // A platform of a page around this frame is known by a frame that it keeps there.
    while (!attempt(() => frame.__tcfapiLocator || frame.__tcfapi)) {
      if (frame === page.top) return;
      frame = frame.parent;
    }
    if (asked) return;
    hear("TCF", "pending");
    // Its frame may be there before the platform itself.
    if (frame === page && !page.__tcfapi) return;
    asked = frame;
    if (frame === page) page.__tcfapi("addEventListener", 2, guarded(hearTcf));
    else askAround();
  }

  function askAround() {
    listen(page, "message", ({ source, data }) => {
      const told = data?.__tcfapiReturn;
      // Any frame can send messages, and other scripts of this one ask too.
      if (source === asked && told?.callId === CALL_ID) hearTcf(told.returnValue, told.success);
    });
    asked.postMessage(
      { __tcfapiCall: { callId: CALL_ID, command: "addEventListener", version: 2 } },
      "*",
    );
  }

  /** @param {any} data @param {boolean} isGood */
  function hearTcf({ eventStatus, gdprApplies, purpose }, isGood) {
    // Until the platform knows whether the law applies, it says nothing.
    if (!isGood || eventStatus === "cmpuishown" || gdprApplies === undefined) return;
    const all = !gdprApplies || TCF_PURPOSES.every((number) => purpose.consents[number]);
    hear("TCF", all ? "granted" : "denied");
  }

  /** @param {{type?: string}} [event] Of a choice made just now. */
  function look(event) {
    const otherwise = event?.type ? "denied" : "pending";
    const say = (/** @type {string} */ platform, /** @type {unknown} */ allowed) =>
      hear(platform, allowed ? "granted" : otherwise);
    followTcf();
    const { Shopify, wp_has_consent } = page;
    const privacy = Shopify?.customerPrivacy;
    if (privacy?.analyticsProcessingAllowed) {
      say("Shopify", privacy.analyticsProcessingAllowed() && privacy.preferencesProcessingAllowed());
    }
    if (wp_has_consent) say("WordPress", WP_CATEGORIES.every((name) => wp_has_consent(name)));
  }

  listen(document, "visitorConsentCollected", look);
  listen(document, "wp_listen_for_consent_change", look);

  return {
    look: () => look(),
    google(command, signals) {
      const choice = signals?.analytics_storage;
      // A default that grants says nothing: then the shop's setting decides.
      if (command === "update" && choice) hear("Google", choice === "granted" ? choice : "denied");
      else if (choice === "denied") hear("Google", "pending");
    },
  };
}
