// The page "Errors": requests that are refused on purpose, and what the answers look like.

import { call } from "./api.js";
import { byId, el, problem } from "./dom.js";
import * as session from "./session.js";

const TEA = { item: "tea", quantity: 2, price: "8.90" };
const order = (more) => ({ userid: session.current().name, cost: "17.80", orderitems: [TEA], ...more });
const post = (title, options) => call(title, "POST", "/order", { auth: session.auth(), ...options });

const DEMOS = [
  {
    title: "A wrong sum",
    text: "Two teas at 8.90 do not cost 20.00. The answer names both figures.",
    send: (title) => post(title, { body: order({ cost: "20.00" }) }),
  },
  {
    title: "Half a cent",
    text: "Amounts are exact decimals with two places; a pointer says which field is wrong.",
    send: (title) => post(title, { body: order({ cost: "17.805", orderitems: ["tea"] }) }),
  },
  {
    title: "Broken JSON",
    text: "400 is for text that is not JSON, 422 for JSON that is not an order.",
    send: (title) => post(title, { raw: '{"userid": "ada", "cost": ' }),
  },
  {
    title: "No token",
    text: "The answer has a challenge, WWW-Authenticate, and nothing was done.",
    send: (title) => post(title, { body: order({}), auth: undefined }),
  },
  {
    title: "An order that is not yours",
    text: "Another user's order, an absent one and a malformed id give the same 404.",
    send: (title) => call(title, "GET", `/orderdetails?orderid=${crypto.randomUUID()}`, { auth: session.auth() }),
  },
  {
    title: "One key, two orders",
    text: "An Idempotency-Key belongs to one order. Another order under the same key is refused.",
    async send(title) {
      const headers = { "Idempotency-Key": crypto.randomUUID() };
      const first = await post("The first order of this key", { body: order({}), headers });
      if (first.status !== 200) return first;
      return post(title, { body: order({ cost: "8.90", orderitems: [{ ...TEA, quantity: 1 }] }), headers });
    },
  },
  {
    title: "Sent twice",
    text: "No error: the same order under the same key is answered again, and exists once.",
    async send(title) {
      const options = { body: order({}), headers: { "Idempotency-Key": crypto.randomUUID() } };
      const first = await post("The order for the first time", options);
      return first.status === 200 ? post(title, options) : first;
    },
  },
];

export function start() {
  byId("demos").replaceChildren(...DEMOS.map(card));
}

function card(demo) {
  const outcome = el("div", { role: "status" });
  const button = el("button", { type: "button", "aria-label": `Send it: ${demo.title}` }, "Send it");
  button.addEventListener("click", async () => {
    if (!session.current()) {
      outcome.replaceChildren(el("p", { class: "note" }, "Log in on the page ", el("a", { href: "#shop" }, "Shop"), " first."));
      return;
    }
    button.disabled = true;
    const result = await demo.send(demo.title);
    button.disabled = false;
    outcome.replaceChildren(result.status === 200 ? replayed(result) : problem(result));
  });
  return el("li", { class: "card" }, el("h2", {}, demo.title), el("p", { class: "muted" }, demo.text), button, outcome);
}

function replayed(result) {
  const repeated = result.headers.get("Idempotent-Replayed") === "true";
  return el("p", { class: "note" }, el("strong", {}, `${result.status} OK`), repeated ? " Idempotent-Replayed: true, the same order " : " ",
    el("code", {}, result.document.orderid));
}
