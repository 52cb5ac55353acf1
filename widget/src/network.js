/** Asks the server for settings and slates; no answer in time is no answer. */

/** @import {Config, Context, Slate} from "./types.js" */

const SLATE_LIMIT_MS = 1500;
const CONFIG_LIMIT_MS = 5000;

/**
 * Gives up on what takes too long.
 * @template T
 * @param {number} limit_ms
 * @param {(signal: AbortSignal) => Promise<T>} action
 */
export async function within(limit_ms, action) {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), limit_ms);
  try {
    return await action(limit.signal);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * @param {string} origin
 * @param {string} key Site key.
 * @returns {Promise<Config | null>}
 */
export const fetchConfig = (origin, key) =>
  fetchJson(`${origin}/v1/config/${encodeURIComponent(key)}`, CONFIG_LIMIT_MS);

/**
 * @param {string} origin
 * @param {Context & {key: string, placement: string, visitor_id: string, language: string,
 *   cart?: string}} question
 * @returns {Promise<Slate | null>}
 */
export function fetchSlate(origin, question) {
  const told = Object.entries(question).filter(([, value]) => value);
  return fetchJson(`${origin}/v1/recommendations?${new URLSearchParams(told)}`, SLATE_LIMIT_MS);
}

/**
 * @param {string} url
 * @param {number} limit_ms
 * @returns {Promise<any>} null when there is no good answer.
 */
const fetchJson = (url, limit_ms) =>
  within(limit_ms, async (signal) => {
    const response = await fetch(url, { credentials: "omit", signal });
    return response.ok ? response.json() : null;
  }).catch(() => null);
