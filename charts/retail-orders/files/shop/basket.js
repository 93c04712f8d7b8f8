// The goods and the basket.

import { byId, el, icon } from "./dom.js";
import * as money from "./money.js";

const KEY = "retail-basket";
const MOST = 99;
export const GOODS = [
  { item: "tea", label: "Darjeeling tea", detail: "100 g, first flush", price: 890 },
  { item: "biscuit", label: "Oat biscuits", detail: "a dozen", price: 345 },
  { item: "coffee", label: "Coffee beans", detail: "250 g, roasted on Monday", price: 1120 },
  { item: "honey", label: "Heather honey", detail: "340 g", price: 760 },
  { item: "apple", label: "Apples", detail: "1 kg, Cox Orange", price: 320 },
  { item: "bread", label: "Sourdough loaf", detail: "baked this morning", price: 480 },
  { item: "cheese", label: "Mountain cheese", detail: "200 g, aged a year", price: 640 },
  { item: "oil", label: "Olive oil", detail: "500 ml, cold pressed", price: 1390 },
  { item: "notebook", label: "Notebook", detail: "160 pages, dotted", price: 1250 },
];
let quantities = load();
let onPlace = () => {};
let busy = false; // an order is being sent

export function start(place) {
  onPlace = place;
  byId("goods").replaceChildren(...GOODS.map(tile));
  render();
}

export const lines = () =>
  GOODS.filter((good) => quantities[good.item]).map((good) => ({ ...good, quantity: quantities[good.item] }));

// Returns what `POST /order` takes as cost and orderitems.
export function order() {
  const chosen = lines();
  return {
    cost: money.text(money.total(chosen)),
    orderitems: chosen.map(({ label, quantity, price }) => ({ item: label, quantity, price: money.text(price) })),
  };
}

// Removes what was ordered; what was added while the order was sent stays.
export function remove(ordered) {
  for (const { item, quantity } of ordered) {
    const good = GOODS.find((each) => each.label === item);
    if (good) quantities[good.item] = Math.max(0, (quantities[good.item] ?? 0) - quantity);
  }
  save();
}

export function setBusy(value) {
  busy = value;
  render();
}

function tile(good) {
  return el("li", { class: "good" },
    el("span", { class: `picture ${good.item}` }, icon(good.item)),
    el("div", { class: "good-text" }, el("h3", {}, good.label), el("p", { class: "muted small" }, good.detail)),
    el("div", { class: "row spread" },
      el("span", { class: "price" }, money.text(good.price)),
      el("button", { type: "button", "aria-label": `Add ${good.label}`, onclick: () => change(good.item, 1) }, "Add")));
}

function change(item, by) {
  quantities[item] = Math.max(0, Math.min(MOST, (quantities[item] ?? 0) + by));
  save();
  const { label } = GOODS.find((good) => good.item === item);
  byId("basket-spoken").textContent = `${quantities[item]} × ${label} in the basket, total ${money.text(money.total(lines()))}.`;
}

function save() {
  sessionStorage.setItem(KEY, JSON.stringify(quantities));
  render();
}

function load() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEY)) ?? {};
    return Object.fromEntries(Object.entries(kept).filter(([, n]) => Number.isInteger(n) && n > 0 && n <= MOST));
  } catch {
    return {};
  }
}

function render() {
  const focused = document.activeElement?.dataset?.key;
  const chosen = lines();
  byId("basket-total").textContent = money.text(money.total(chosen));
  byId("basket").replaceChildren(...(chosen.length ? filled(chosen) : [el("p", { class: "muted" }, "Empty. Add something from the shelf.")]));
  if (focused) (byId("basket").querySelector(`[data-key="${focused}"]`) ?? byId("place") ?? byId("basket-title")).focus();
}

function filled(chosen) {
  return [
    el("ul", { class: "lines" }, chosen.map(({ item, label, quantity, price }) =>
      el("li", {},
        el("span", {}, label),
        el("span", { class: "counter" },
          el("button", { type: "button", "data-key": `${item}-less`, "aria-label": `One ${label} less`, onclick: () => change(item, -1) }, "−"),
          el("span", {}, String(quantity)),
          el("button", { type: "button", "data-key": `${item}-more`, "aria-label": `One ${label} more`, onclick: () => change(item, 1) }, "+")),
        el("span", { class: "price" }, money.text(price * quantity))))),
    el("p", { class: "sum row spread" }, el("span", {}, "Total"), el("strong", { class: "price", id: "total" }, money.text(money.total(chosen)))),
    el("button", { type: "button", class: "primary wide-button", id: "place", disabled: busy, onclick: () => onPlace() }, "Place the order"),
  ];
}
