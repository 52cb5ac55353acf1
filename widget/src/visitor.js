/**
 * Who is shopping: a random first-party id and a session id, nothing more.
 *
 * The id is a cookie on the shop's own domain, so that the shop's server can send it with an
 * order; where cookies do not work it falls back to the store.
 */

/** @import {Store} from "./store.js" */

import { attempt } from "./guard.js";
import { uuid7 } from "./uuid.js";

const COOKIE = "rcm_vid";
const YEAR_SECONDS = 365 * 24 * 3600;
const SESSION_MS = 30 * 60 * 1000;

/**
 * @param {Store} store
 * @param {() => boolean} mayIdentify Without it the visitor has no id.
 */
export function openVisitor(store, mayIdentify) {
  return {
    /** Returns the visitor's id, made at the first call; empty without consent. */
    id() {
      if (!mayIdentify()) return "";
      let id = readCookie() || store.get("vid");
      if (!id) {
        id = uuid7(Date.now());
        writeCookie(id, YEAR_SECONDS);
        if (!readCookie()) store.set("vid", id);
      }
      return id;
    },
    /**
     * Returns the session's id; half an hour without an event starts a new one.
     * @param {number} now_ms
     */
    session(now_ms) {
      const last = store.get("session");
      const id = last && now_ms - last.at < SESSION_MS ? last.id : uuid7(now_ms);
      store.set("session", { id, at: now_ms });
      return id;
    },
    /** Takes the cookie away. */
    forget: () => writeCookie("", 0),
  };
}

/** Frames that may store nothing forbid even the question. */
const readCookie = () => attempt(() => /(?:^|; )rcm_vid=([\w-]{8,64})/.exec(document.cookie)?.[1]);

/**
 * Writes the cookie on the widest domain the browser allows, so that `www.` and `checkout.`
 * share it: browsers refuse public suffixes, the first domain that sticks is the shop's own.
 * @param {string} id
 * @param {number} age_seconds 0 deletes.
 */
function writeCookie(id, age_seconds) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  const rest = `; Path=/; Max-Age=${age_seconds}; SameSite=Lax${secure}`;
  const labels = location.hostname.split(".");
  const domains = labels.map((_, i) => `; Domain=${labels.slice(i).join(".")}`).reverse();
  for (const domain of [...domains, ""]) {
    attempt(() => (document.cookie = `${COOKIE}=${id}${domain}${rest}`));
    if (id && readCookie() === id) return;
  }
}
