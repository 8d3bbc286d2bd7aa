// Brings the page that is shown in line with a page that the server rendered, node by node: focus, scroll, open
// menus and what a person is typing stay as they are.

import { Idiomorph } from "idiomorph";

const TELL_AFTER_MS = 200;

const callbacks = {
  beforeNodeMorphed(old: Node): boolean {
    if (!(old instanceof Element)) return true;
    return !(old.hasAttribute("data-keep") || old.hasAttribute("data-edited"));
  },
  beforeAttributeUpdated(name: string, node: Element): boolean {
    return !(name === "open" && node instanceof HTMLDetailsElement && node.hasAttribute("data-menu"));
  },
};

/** Takes over title, icon and theme of `fresh`, and its content: morphed where it is the same page, else as a whole. */
export function show(fresh: Document, part: "main" | "body" | "other page"): void {
  document.title = fresh.title;
  const icon = fresh.querySelector<HTMLLinkElement>('link[rel="icon"]');
  const shown = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
  const href = icon?.getAttribute("href");
  if (href && shown && shown.getAttribute("href") !== href) shown.setAttribute("href", href);
  const theme = fresh.documentElement.dataset.theme;
  if (theme) document.documentElement.dataset.theme = theme;
  const schemes = (page: Document) => page.querySelector<HTMLMetaElement>('meta[name="color-scheme"]');
  const [from, to] = [schemes(document), schemes(fresh)];
  if (from && to) from.content = to.content;

  if (part === "other page") {
    document.body.replaceWith(document.adoptNode(fresh.body));
    tell();
  } else {
    const from = part === "body" ? document.body : document.querySelector("main");
    const to = part === "body" ? fresh.body : fresh.querySelector("main");
    // What is being typed stays; a focused button changes like anything else.
    const ignoreActiveValue = document.activeElement?.matches("input, textarea, select") ?? false;
    if (from && to) Idiomorph.morph(from, to, { morphStyle: "outerHTML", ignoreActiveValue, callbacks });
  }
  document.dispatchEvent(new CustomEvent("page:shown"));
}

/** Says the page's notice to those who hear it: what stands in a region from the start is not read out. */
function tell(): void {
  const notice = document.getElementById("notices")?.textContent?.trim();
  const place = document.getElementById("told");
  if (notice && place) setTimeout(() => (place.textContent = notice), TELL_AFTER_MS);
}

/** Reads an answer as a page. */
export async function parse(answer: Response): Promise<Document> {
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

/** Brings the current entry of a bar that is scrolled into sight. */
function showCurrent(): void {
  for (const entry of document.querySelectorAll<HTMLElement>(".tabs [aria-current], .nav [aria-current]")) {
    const bar = entry.parentElement;
    if (bar && bar.scrollWidth > bar.clientWidth) {
      bar.scrollLeft = entry.offsetLeft - bar.offsetLeft - (bar.clientWidth - entry.offsetWidth) / 2;
    }
  }
}

showCurrent();
document.addEventListener("page:shown", showCurrent);

// A form that was changed is left alone until it is sent.
document.addEventListener("input", (event) => {
  const form = event.target instanceof Element ? event.target.closest("form") : null;
  if (form && form.method === "post") form.setAttribute("data-edited", "");
});
