// Builds elements. Text is only ever set as text: nothing from outside becomes markup.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const use = document.createElementNS(SVG, "use");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

export const chip = (status) => el("span", { class: `chip ${status.toLowerCase()}` }, status);

export const time = (text) =>
  text ? el("time", { datetime: text, title: text }, new Date(text).toLocaleTimeString()) : "–";

export const moment = (text) =>
  text ? el("time", { datetime: text, title: text }, new Date(text).toLocaleString()) : "–";

export async function copy(text, button) {
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Copying is not allowed here";
  }
  setTimeout(() => { button.textContent = label; }, 1500);
}

// A problem document as a person reads it. `context` is what the page adds, such as when it tries again.
export function problem(result, ...context) {
  const { document: answer, status } = result;
  const errors = answer.errors ?? [];
  return el("div", { class: "problem" },
    el("p", {}, el("strong", {}, status ? `${status} ${answer.title ?? ""}` : "No answer"), " ", answer.detail ?? ""),
    errors.length > 1 ? el("ul", {}, errors.map((error) => el("li", {}, el("code", {}, error.pointer), ` ${error.detail}`))) : null,
    ...context,
    answer.request_id ? el("p", { class: "muted small" }, "type ", el("code", {}, answer.type), ", request ", el("code", {}, answer.request_id)) : null);
}
