/** Asks the server for settings and slates; no answer in time is no answer. */

/** @import {Config, Context, Slate} from "./types.js" */

import { previewToken } from "./preview.js";

const SLATE_LIMIT_MS = 1500;
const CONFIG_LIMIT_MS = 5000;

/**
 * Ends a request that takes too long; browsers of before 2022 wait for it.
 * @param {number} limit_ms
 */
export const within = (limit_ms) => AbortSignal.timeout?.(limit_ms);

/**
 * @param {string} origin
 * @param {string} key Site key.
 * @param {string} language Of the page.
 * @returns {Promise<Config | null>}
 */
export const fetchConfig = (origin, key, language) =>
  fetchJson(`${origin}/v1/config/${key}`, { language }, CONFIG_LIMIT_MS);

/**
 * @param {string} origin
 * @param {Context & {key: string, placement: string, visitor_id: string, language: string,
 *   cart: string}} question
 * @returns {Promise<Slate | null>}
 */
export const fetchSlate = (origin, question) =>
  fetchJson(`${origin}/v1/recommendations`, question, SLATE_LIMIT_MS);

/**
 * @param {string} url
 * @param {object} question What is empty is not asked.
 * @param {number} limit_ms
 * @returns {Promise<any>} null when there is no good answer.
 */
async function fetchJson(url, question, limit_ms) {
  try {
    if (DEBUG) question = { ...question, preview: previewToken };
    const told = Object.entries(question).filter(([, value]) => value);
    const response = await fetch(`${url}?${new URLSearchParams(told)}`, {
      credentials: "omit",
      signal: within(limit_ms),
    });
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}
