// "My orders": newest first, page by page, and one order with its history.

import { call, persist } from "./api.js";
import { byId, chip, el, moment, problem } from "./dom.js";
import * as session from "./session.js";

const LIMIT = 8;
let cursors = [""]; // of the pages up to the present one; the first page needs none
let next = null;
let reading = new AbortController(); // of the newest read: an older one that still waits gives up

export function start() {
  byId("orders-refresh").addEventListener("click", () => load());
  byId("orders-status").addEventListener("change", reset);
  byId("orders-older").addEventListener("click", older);
  byId("orders-newer").addEventListener("click", newer);
  session.onChange(() => { if (!byId("orders").hidden) reset(); });
}

export function reset() {
  cursors = [""];
  byId("orders-detail").replaceChildren();
  return load();
}

// While a page is read, `next` is null: a second click of a double click changes nothing. The buttons stay enabled then,
// because a disabled one would lose the focus of the keyboard.
function older() {
  if (!next) return;
  cursors.push(next);
  load();
}

function newer() {
  if (cursors.length < 2) return;
  cursors.pop();
  load();
}

async function load() {
  const user = session.current();
  reading.abort();
  reading = new AbortController();
  const { signal } = reading;
  next = null;
  byId("orders-problem").replaceChildren();
  if (!user) {
    byId("orders-list").replaceChildren(el("p", { class: "muted" }, "Log in on the page ", el("a", { href: "#shop" }, "Shop"), " first."));
    pager();
    return;
  }
  const query = new URLSearchParams({ userid: user.name, limit: LIMIT });
  if (cursors.at(-1)) query.set("cursor", cursors.at(-1));
  if (byId("orders-status").value) query.set("status", byId("orders-status").value);
  const read = () => call("My orders", "GET", `/orderdetails?${query}`, { auth: session.auth(), signal });
  const result = await persist(read, signal, (failed, seconds) => trouble(failed, el("p", {}, `The list is read again in ${seconds} s.`)));
  if (signal.aborted) return;
  if (result.status === 200) {
    byId("orders-problem").replaceChildren();
    next = result.document.next_cursor;
    byId("orders-list").replaceChildren(list(result.document.items));
  } else {
    trouble(result);
  }
  pager();
}

const trouble = (result, ...context) => byId("orders-problem").replaceChildren(problem(result, ...context));

function pager() {
  const [newerButton, olderButton] = [byId("orders-newer"), byId("orders-older")];
  const focused = document.activeElement;
  newerButton.disabled = cursors.length < 2;
  olderButton.disabled = !next;
  if (focused === olderButton && olderButton.disabled) newerButton.focus(); // the keyboard must not lose its place
  if (focused === newerButton && newerButton.disabled) olderButton.focus();
  byId("orders-page").textContent = session.current() ? `Page ${cursors.length}${next ? "" : ", the last"}` : "";
}

function list(items) {
  if (!items.length) return el("p", { class: "muted" }, "No orders.");
  const heads = ["Order", "Placed", "Status", "Items", "Cost"];
  return el("table", {},
    el("thead", {}, el("tr", {}, heads.map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, items.map((order) => el("tr", {},
      el("td", { "data-label": heads[0] }, el("a", { href: `#order=${order.orderid}` }, el("code", {}, `…${order.orderid.slice(-12)}`))),
      el("td", { "data-label": heads[1] }, moment(order.placed_at)),
      el("td", { "data-label": heads[2] }, chip(order.status)),
      el("td", { "data-label": heads[3] }, names(order.orderitems)),
      el("td", { "data-label": heads[4], class: "price" }, `${order.cost} ${order.currency}`)))));
}

const names = (items) => items.map(({ item, quantity }) => (quantity > 1 ? `${quantity} × ${item}` : item)).join(", ");

export async function showOrder(id) {
  const panel = byId("orders-detail");
  const result = await call("One order", "GET", `/orderdetails?${new URLSearchParams({ orderid: id })}`, { auth: session.auth() });
  panel.replaceChildren(result.status === 200 ? detail(result.document) : problem(result));
  panel.querySelector("h2")?.focus();
}

function detail(order) {
  return el("section", { class: "card", "aria-labelledby": "detail-title" },
    el("h2", { id: "detail-title", tabindex: "-1" }, "Order ", el("code", {}, order.orderid)),
    el("p", {}, chip(order.status), ` ${order.cost} ${order.currency} · ${names(order.orderitems)}`),
    el("h3", {}, "History"),
    el("ol", { class: "timeline" }, order.history.map((change) => el("li", { class: "done" },
      el("div", {}, chip(change.status)),
      el("div", { class: "muted small" }, moment(change.at), ` by ${change.by}`, change.reason ? `: ${change.reason}` : "")))));
}
