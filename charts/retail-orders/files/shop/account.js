// The card "You": register, log in, log out.

import { byId, copy, el, problem } from "./dom.js";
import * as session from "./session.js";

export function start() {
  byId("visitor").addEventListener("click", () => {
    const { name, password } = session.madeUp();
    submit(() => session.register(name, password));
  });
  byId("account-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const [name, password] = [byId("name").value, byId("password").value];
    submit(() => (event.submitter?.value === "register" ? session.register(name, password) : session.login(name, password)));
  });
  session.onChange(render);
  render(session.current());
}

async function submit(send) {
  const buttons = byId("account-form").querySelectorAll("button");
  buttons.forEach((button) => { button.disabled = true; });
  byId("account-problem").replaceChildren();
  const result = await send();
  buttons.forEach((button) => { button.disabled = false; });
  if (session.current()) (byId("place") ?? byId("account")).focus();
  else byId("account-problem").replaceChildren(problem(result));
}

function logOut() {
  session.end();
  byId("visitor").focus();
}

function render(user) {
  byId("who").textContent = user ? user.name : "Not logged in";
  byId("account-form").hidden = user !== null;
  byId("account").hidden = user === null;
  if (!user) return;
  byId("password").value = "";
  byId("account-problem").replaceChildren();
  const until = new Date(user.until).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const copyToken = el("button", { type: "button", onclick: () => copy(`TOKEN=${user.token}`, copyToken) }, "Copy TOKEN for curl");
  byId("account").replaceChildren(
    el("p", {}, "Logged in as ", el("strong", {}, user.name), el("span", { class: "muted" }, `, until ${until}`)),
    el("div", { class: "row" }, copyToken, el("button", { type: "button", onclick: logOut }, "Log out")));
}
