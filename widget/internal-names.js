/**
 * Property names that never leave the widget, so that the build may shorten them.
 *
 * A name belongs here only when it is no field of the server's, of a data layer or of the shop's
 * markup, and no property of the browser; test/internal-names.test.js looks for the latter.
 */
export const INTERNAL_NAMES = [
  "added",
  "arrived",
  "ask",
  "catchUp",
  "chosen",
  "early",
  "forget",
  "google",
  "hear",
  "isReserved",
  "itemKnown",
  "keep",
  "knowsItem",
  "leave",
  "look",
  "maySend",
  "nextBatch",
  "peek",
  "reserve",
  "restored",
  "sentinel",
  "session",
  "settle",
  "tell",
  "texts",
  "visitorId",
  "wipe",
];
