// The only module that sends requests. Every one is recorded in "Behind the page" (wire.js).

import { record } from "./wire.js";

const CALL_SECONDS = 15;
const GIVE_UP_MS = 10 * 60_000;

// Sends a request and returns { status, headers, document, ms }; status 0 means that no response came.
// `auth` is { bearer } or { basic: [name, password] }; `raw` is a body that is sent as it is.
export async function call(title, method, path, { body, raw, auth, headers = {}, seconds = CALL_SECONDS, signal } = {}) {
  const sent = { Accept: "application/json", ...headers };
  if (body !== undefined || raw !== undefined) sent["Content-Type"] = "application/json";
  if (auth?.bearer) sent.Authorization = `Bearer ${auth.bearer}`;
  if (auth?.basic) sent.Authorization = `Basic ${base64(auth.basic.join(":"))}`;
  const signals = [AbortSignal.timeout(seconds * 1000), ...(signal ? [signal] : [])];
  const entry = record({ title, method, path, auth, headers, body, raw });
  const began = performance.now();
  let result;
  try {
    const response = await fetch(path, {
      method,
      headers: sent,
      body: raw ?? (body === undefined ? undefined : JSON.stringify(body)),
      credentials: "omit", // otherwise the browser itself asks for a password after a 401
      cache: "no-store",
      signal: AbortSignal.any(signals),
    });
    result = { status: response.status, headers: response.headers, document: await parse(response) };
  } catch (error) {
    result = { status: 0, headers: new Headers(), document: { detail: reason(error) }, stopped: signal?.aborted ?? false };
  }
  result.ms = Math.round(performance.now() - began);
  entry.answer(result);
  return result;
}

// Calls `send` until its result is final, for ten minutes at most or until `signal` is aborted. Returns the last result.
// Before each pause it calls `onRetry(result, seconds, attempt)`.
export async function persist(send, signal, onRetry) {
  const began = Date.now();
  for (let attempt = 1; ; attempt += 1) {
    const result = await send();
    if (!mayRetry(result) || signal.aborted || Date.now() - began > GIVE_UP_MS) return result;
    const seconds = retryDelay(result, attempt);
    onRetry(result, Math.ceil(seconds), attempt);
    await pause(seconds, signal);
  }
}

export const mayRetry = (result) => result.status === 0 || result.status === 429 || result.status === 503;

// Seconds to wait before the same request is sent again: what the answer asks for, with jitter, growing with each attempt.
function retryDelay(result, attempt) {
  const asked = Number(result.headers.get("Retry-After")) || 1;
  return Math.min(15, Math.max(asked, 2 ** (attempt - 1) / 2)) * (1 + Math.random() / 4);
}

function pause(seconds, signal) {
  return new Promise((done) => {
    const timer = setTimeout(done, seconds * 1000);
    signal.addEventListener("abort", () => { clearTimeout(timer); done(); }, { once: true });
  });
}

async function parse(response) {
  const text = await response.text();
  try {
    return text ? JSON.parse(text) : {};
  } catch {
    return { detail: text.slice(0, 500) };
  }
}

function reason(error) {
  return error.name === "TimeoutError" ? "The answer did not arrive in time." : "The server cannot be reached.";
}

function base64(text) {
  return btoa(String.fromCodePoint(...new TextEncoder().encode(text)));
}
