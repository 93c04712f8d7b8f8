// Places an order and follows it live. One Idempotency-Key per order: whatever fails, sending it again is safe.

import { call, mayRetry, persist } from "./api.js";
import * as basket from "./basket.js";
import { byId, chip, el, problem, time } from "./dom.js";
import * as session from "./session.js";

const KEY = "retail-pending"; // { name, key, body }: an order whose answer is not known survives a reload
const FOLLOW_MS = 10 * 60_000;
const WAIT_SECONDS = 20;
const SLOW_MS = 4000;
const UNAVAILABLE = "The shop is not available. The request is repeated until it is.";
let stopper = new AbortController();

export async function place() {
  const user = session.current();
  if (!user) {
    show(el("p", { class: "note" }, "Say who you are first: step 1."));
    byId("visitor").focus();
    return;
  }
  const pending = unanswered() ?? { name: user.name, key: crypto.randomUUID(), body: { userid: user.name, ...basket.order() } };
  sessionStorage.setItem(KEY, JSON.stringify(pending));
  await settle(pending);
}

// After a reload or a login: an order that was sent and not answered is sent again, with its key.
export function resume() {
  const pending = unanswered();
  if (pending) settle(pending);
}

// Returns the order of this user whose answer is not known. Another one is not sent before it is settled.
function unanswered() {
  const pending = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
  return pending?.name === session.current()?.name ? pending : null;
}

export function stop() {
  stopper.abort();
  basket.setBusy(false);
}

async function settle({ key, body }) {
  stopper.abort();
  stopper = new AbortController();
  const { signal } = stopper;
  basket.setBusy(true);
  say("Placing the order.");
  show(timeline("sending"));
  const send = () => call("Place the order", "POST", "/order", { body, auth: session.auth(), headers: { "Idempotency-Key": key }, signal });
  const result = await persist(send, signal, (failed, seconds, attempt) => {
    show(timeline("sending", null, problem(failed, el("p", {}, `Nothing is lost: it is sent again in ${seconds} s, with the same Idempotency-Key.`))));
    if (attempt === 1) say(UNAVAILABLE);
  });
  if (signal.aborted) return; // another one is being sent, or nobody is logged in
  basket.setBusy(false);
  if (result.status !== 200) {
    if (!mayRetry(result) && result.status !== 401) sessionStorage.removeItem(KEY);
    say(`The order was not placed: ${result.document.detail ?? ""}`);
    show(problem(result, result.status === 401 ? el("p", {}, "Log in again: the order is then sent again, with the same Idempotency-Key.") : null));
    return;
  }
  sessionStorage.removeItem(KEY);
  basket.remove(body.orderitems);
  say("The order is PLACED.");
  await follow(result.document, result.ms, signal);
}

async function follow(placed, ms, signal) {
  const began = Date.now();
  let order = placed;
  show(timeline("placed", { order, ms }));
  const slow = setTimeout(() => !signal.aborted && order.status === "PLACED" && show(timeline("placed", { order, ms }, waiting())), SLOW_MS);
  while (order.status === "PLACED" && Date.now() - began < FOLLOW_MS && !signal.aborted) {
    const path = `/orderdetails?${new URLSearchParams({ orderid: order.orderid, wait: WAIT_SECONDS })}`;
    const ask = () => call("Wait for the outcome", "GET", path, { auth: session.auth(), seconds: WAIT_SECONDS + 15, signal });
    const result = await persist(ask, signal, (failed, seconds, attempt) => {
      show(timeline("placed", { order, ms }, problem(failed, el("p", {}, `The order is safe. Its status is read again in ${seconds} s.`))));
      if (attempt === 1) say(UNAVAILABLE);
    });
    if (signal.aborted) break;
    if (result.status !== 200) {
      show(timeline("placed", { order, ms }, problem(result)));
      break;
    }
    order = result.document;
    if (order.status === "PLACED") show(timeline("placed", { order, ms }, waiting()));
  }
  clearTimeout(slow);
  if (signal.aborted || order.status === "PLACED") return;
  say(`The order is ${order.status}.`);
  show(timeline("finished", { order, ms }));
}

function waiting() {
  return el("p", { class: "note" }, "The order is stored, and its event waits in the outbox until Kafka and the processor take it. There is nothing to do.");
}

function timeline(stage, known = null, ...more) {
  const order = known?.order;
  const finished = stage === "finished";
  const steps = [
    step("Sent", stage === "sending" ? "now" : "done", known ? `answered in ${known.ms} ms` : "waiting for the answer"),
    step(chip("PLACED"), stage === "sending" ? "later" : finished ? "done" : "now", order ? ["a majority of MongoDB has it on disk, ", time(order.placed_at)] : "stored for good"),
    finished
      ? step(chip(order.status), "done", order.status === "PROCESSED" ? [`${lag(order)} later, `, time(order.processed_at)] : order.history.at(-1).reason ?? "")
      : step(chip("PROCESSED"), "later", "the processor has handled its event"),
  ];
  return el("div", { class: "stack" },
    el("ol", { class: "timeline" }, steps),
    more,
    order ? el("p", { class: "small" }, el("a", { href: `#order=${order.orderid}` }, "Order ", el("code", {}, order.orderid))) : null);
}

function step(title, state, detail) {
  return el("li", { class: state }, el("div", {}, title), el("div", { class: "muted small" }, detail));
}

function lag(order) {
  const ms = new Date(order.processed_at) - new Date(order.placed_at);
  return ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`;
}

const show = (node) => byId("order").replaceChildren(node);
const say = (sentence) => { byId("order-spoken").textContent = sentence; };
