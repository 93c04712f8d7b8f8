// "Behind the page": each request as curl, and its answer. Passwords and tokens are not shown.

import { byId, copy, el } from "./dom.js";

const KEPT = 50;
const SECRETS = new Set(["access_token", "password"]);
let count = 0;

export function record(request) {
  const status = el("span", { class: "wire-status" }, "…");
  const pane = el("pre", { tabindex: "0", "aria-label": "Answer" }, "waiting for the answer");
  const command = curl(request);
  const button = el("button", { type: "button", onclick: () => copy(command, button) }, "Copy");
  count += 1;
  const item = el("li", { value: count },
    el("details", {},
      el("summary", {}, el("span", { class: "wire-title" }, request.title),
        el("code", {}, `${request.method} ${request.path}`), status),
      el("div", { class: "wire-panes" },
        el("div", {}, el("div", { class: "row spread" }, el("h3", {}, "Request"), button),
          el("pre", { tabindex: "0", "aria-label": "Request as curl" }, command)),
        el("div", {}, el("h3", {}, "Answer"), pane))));
  const list = byId("wire-list");
  list.prepend(item);
  while (list.children.length > KEPT) list.lastElementChild.remove();
  byId("wire-empty").hidden = true;
  return {
    answer(result) {
      const kind = result.status === 0 || result.status >= 400 ? "error" : "ok";
      status.className = `wire-status ${kind}`;
      status.textContent = result.status ? `${result.status} · ${result.ms} ms` : result.stopped ? "stopped" : "no response";
      pane.textContent = shownAnswer(result);
    },
  };
}

export function clear() {
  byId("wire-list").replaceChildren();
  byId("wire-empty").hidden = false;
}

function curl({ method, path, auth, headers, body, raw }) {
  const parts = ["curl"];
  if (location.hostname === "localhost") parts.push("--cacert .local/certificates/ca.pem");
  if (auth?.basic) parts.push(`-u ${quoted(auth.basic[0])}`);
  const lines = [`${parts.join(" ")} ${quoted(location.origin + path)}`];
  if (auth?.bearer) lines.push('-H "Authorization: Bearer $TOKEN"');
  for (const [name, value] of Object.entries(headers)) lines.push(`-H ${quoted(`${name}: ${value}`)}`);
  const text = raw ?? (body === undefined ? undefined : JSON.stringify(hidden(body)));
  if (text !== undefined) lines.push("-H 'Content-Type: application/json'", `-d ${quoted(text)}`);
  else if (method !== "GET") lines.push(`-X ${method}`);
  return lines.join(" \\\n  ");
}

function shownAnswer(result) {
  const names = ["location", "etag", "retry-after", "idempotent-replayed", "link", "www-authenticate"];
  const lines = names.filter((name) => result.headers.has(name)).map((name) => `${name}: ${result.headers.get(name)}`);
  return [...lines, JSON.stringify(hidden(result.document), null, 2)].join("\n");
}

function hidden(value) {
  if (Array.isArray(value) || value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, SECRETS.has(name) ? "…" : inner]));
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
