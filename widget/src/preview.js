/**
 * What a preview changes: nobody is known, nothing is stored, sent or counted, and the server shows
 * what is still switched off. Only `widget-debug.js` can do it; the build takes it out of the file
 * that shoppers load.
 */

/** Token of the link by which the page was opened; empty outside of a preview. */
export const previewToken = DEBUG
  ? (/[?&]recommender=preview&token=([\w.-]+)/.exec(globalThis.location?.search)?.[1] ?? "")
  : "";
