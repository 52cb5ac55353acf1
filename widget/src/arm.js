/** Which side of the experiment a visitor is on; the same lines as the server's. */

/** @import {Arm, Stratum} from "./types.js" */

/**
 * Returns the arm of a visitor: the first 32 bits of SHA-256(salt ‖ visitor id) against the
 * treatment share of 2³². Empty without a visitor, or where the browser has no SHA-256 (plain
 * http): then only the server knows.
 * @param {Stratum | undefined} stratum
 * @param {string} visitorId
 * @returns {Promise<Arm>}
 */
export async function assign(stratum, visitorId) {
  if (!stratum || !visitorId || !crypto.subtle) return "";
  const text = new TextEncoder().encode(stratum.salt + visitorId);
  const drawn = new DataView(await crypto.subtle.digest("SHA-256", text)).getUint32(0);
  const threshold = Math.floor((stratum.treatment_share_ppm * 2 ** 32) / 1e6);
  return drawn < threshold ? "treatment" : "control";
}
