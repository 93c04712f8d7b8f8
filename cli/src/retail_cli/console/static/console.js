// Keeps the panels of the overview current: each is read again some seconds after its last answer, while the page is
// visible and nothing in the panel is chosen or in use.

const EVERY_MS = 3000;
const ANSWER_MS = 30_000;
const panels = [...document.querySelectorAll("[data-panel]")];
const failing = new Set();

const inUse = (panel) => panel.querySelector("input:checked") !== null
  || (panel.contains(document.activeElement) && document.activeElement !== panel)
  || (!getSelection().isCollapsed && panel.contains(getSelection().anchorNode));

async function refresh(panel) {
  try {
    const response = await fetch(panel.dataset.panel, { signal: AbortSignal.timeout(ANSWER_MS) });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    if (response.status >= 500) problem(panel, page.body.textContent.trim());
    else if (!inUse(panel)) panel.replaceChildren(...page.body.childNodes);
    failing.delete(panel);
  } catch {
    failing.add(panel);
  }
}

// What could be read before stays, below the sentence that says why it is old.
function problem(panel, sentence) {
  panel.querySelector(":scope > .problem")?.remove();
  const line = document.createElement("p");
  line.className = "problem";
  line.textContent = sentence;
  if (panel.querySelector("h2")) panel.querySelector("h2").after(line);
  else panel.replaceChildren(line);
}

function showFreshness() {
  document.getElementById("freshness").textContent = failing.size
    ? `The console does not answer: what is shown is old (since ${new Date().toLocaleTimeString()}).`
    : "Refreshes itself.";
}

async function keepCurrent(panel) {
  for (;;) {
    if (!document.hidden && !inUse(panel)) {
      const failed = failing.size;
      await refresh(panel);
      if (failed !== failing.size || failed === 0) showFreshness();
    }
    await new Promise((done) => setTimeout(done, EVERY_MS));
  }
}

panels.forEach(keepCurrent);
