// Who the buyer is. The token stays in this tab (sessionStorage) until it expires; the password is never kept.

import { call } from "./api.js";

const KEY = "retail-session";
const MARGIN_MS = 5000;
const listeners = [];
let session = load();

export const onChange = (listener) => listeners.push(listener);

// Returns { name, token, until } while the token is valid, otherwise null.
export function current() {
  if (session && session.until - MARGIN_MS < Date.now()) end();
  return session;
}

export const auth = () => ({ bearer: current()?.token });

export async function register(name, password) {
  const result = await call("Register", "POST", "/api/users", { body: { username: name, password } });
  return result.status === 201 ? login(name, password) : result;
}

export async function login(name, password) {
  const result = await call("Ask for a token", "GET", "/api/token", { auth: { basic: [name, password] } });
  if (result.status === 200) {
    const { access_token: token, expires_in: seconds } = result.document;
    change({ name, token, until: Date.now() + seconds * 1000 });
  }
  return result;
}

export function end() {
  change(null);
}

export function madeUp() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return { name: `visitor-${hex.slice(0, 6)}`, password: hex.slice(6) };
}

function change(next) {
  session = next;
  if (next) sessionStorage.setItem(KEY, JSON.stringify(next));
  else sessionStorage.removeItem(KEY);
  listeners.forEach((listener) => listener(next));
}

function load() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY));
  } catch {
    return null;
  }
}
