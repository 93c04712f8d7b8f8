// Wires the page: which part is shown, and the links that only the place where it runs knows.

import * as account from "./account.js";
import * as basket from "./basket.js";
import { byId, el } from "./dom.js";
import * as errors from "./errors.js";
import * as history from "./history.js";
import * as order from "./order.js";
import * as session from "./session.js";
import * as wire from "./wire.js";

const VIEWS = ["shop", "orders", "errors"];

// `event` is null at the start: then the focus stays where it is.
async function route(event) {
  const [name, id] = location.hash.slice(1).split("=");
  if (name === "wire" || name === "content") return; // places on the page that is shown
  const view = name === "order" ? "orders" : VIEWS.includes(name) ? name : "shop";
  const isNew = byId(view).hidden;
  for (const each of VIEWS) byId(each).hidden = each !== view;
  document.querySelectorAll("nav a").forEach((link) => {
    if (link.hash === `#${view}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  });
  document.title = { shop: "Shop", orders: "My orders", errors: "Errors" }[view] + " · Retail Orders";
  if (name === "basket") {
    byId("basket-card").scrollIntoView();
    byId("basket-title").focus({ preventScroll: true });
  }
  if (event && name === view) byId(`${view}-title`).focus({ preventScroll: true });
  if (view === "orders" && (isNew || name === "orders")) await history.reset();
  if (name === "order" && id) await history.showOrder(id);
}

async function links() {
  const response = await fetch("/shop/links.json", { credentials: "omit" });
  const found = Object.entries(await response.json()).filter(([, url]) => /^https?:\/\//.test(url));
  byId("links").replaceChildren(...found.flatMap(([title, url]) => [" · ", el("a", { href: url }, title)]));
}

account.start();
basket.start(order.place);
history.start();
errors.start();
byId("wire-clear").addEventListener("click", wire.clear);
session.onChange((user) => (user ? order.resume() : order.stop()));
addEventListener("hashchange", route);
route(null);
order.resume();
links();
