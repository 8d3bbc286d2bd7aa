// Sends actions without a reload: the form is posted, redirects are followed, and the page that comes back is taken
// over. Forms marked data-plain are left to the browser.

import { parse, show } from "./page";

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || event.defaultPrevented) return;
  if (form.method !== "post" || form.hasAttribute("data-plain")) return;
  event.preventDefault();
  void send(form, event.submitter);
});

async function send(form: HTMLFormElement, submitter: HTMLElement | null): Promise<void> {
  if (form.ariaBusy === "true") return;
  const shownAt = location.href;
  const fields = new URLSearchParams();
  for (const [name, value] of new FormData(form, submitter)) {
    if (typeof value === "string") fields.append(name, value);
  }
  form.ariaBusy = "true";
  try {
    const answer = await fetch(form.action, { method: "POST", body: fields, headers: { accept: "text/html" } });
    const page = await parse(answer);
    form.removeAttribute("data-edited");
    for (const menu of document.querySelectorAll<HTMLDetailsElement>("details[data-menu][open]")) menu.open = false;
    const target = new URL(answer.url);
    const moved = answer.redirected && target.href !== location.href;
    if (moved) history.pushState(null, "", target);
    shown = place();
    if (moved && target.pathname !== new URL(shownAt).pathname) {
      show(page, "other page");
      scrollTo(0, 0);
      (document.querySelector<HTMLElement>("main .new") ?? document.querySelector<HTMLElement>("main"))?.focus();
    } else {
      show(page, "body");
    }
    document.querySelector<HTMLElement>("[autofocus], [aria-invalid]")?.focus();
  } catch {
    say("DevFlow could not be reached, so nothing was changed. Check your connection and try again.");
  } finally {
    form.ariaBusy = null;
  }
}

function say(text: string): void {
  const place = document.getElementById("notices");
  if (!place) return;
  const notice = document.createElement("p");
  notice.className = "notice bad";
  notice.textContent = text;
  place.replaceChildren(notice);
}

// Back and forward lead to another page; a link to a place of this one comes along here too.
let shown = place();
addEventListener("popstate", () => {
  if (place() !== shown) location.reload();
});

function place(): string {
  return location.pathname + location.search;
}

// A menu closes when one clicks elsewhere or presses Escape.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll<HTMLDetailsElement>("details[data-menu][open]")) {
    if (event.target instanceof Node && !menu.contains(event.target)) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.querySelector<HTMLDetailsElement>("details[data-menu][open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary")?.focus();
});
