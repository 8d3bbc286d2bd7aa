// Everything by the keyboard: `?` shows the keys. Nothing is changed by a single key.

import { openPalette } from "./palette";

const PLACES: Record<string, string> = { p: "/", s: "/servers", a: "/activity" };
const CHORD_MS = 1_200;

let chord = 0;

function typing(): boolean {
  return document.activeElement?.matches("input, textarea, select, [contenteditable]") ?? false;
}

/** Leads to the next or previous link of a list. */
function walk(step: number): void {
  const links = [...document.querySelectorAll<HTMLElement>("main .over")];
  const at = links.findIndex((link) => link === document.activeElement);
  links[at < 0 ? 0 : Math.min(links.length - 1, Math.max(0, at + step))]?.focus();
}

function tab(step: number): void {
  const tabs = [...document.querySelectorAll<HTMLElement>("main .tabs a")];
  const at = tabs.findIndex((link) => link.hasAttribute("aria-current"));
  if (at >= 0) tabs[at + step]?.click();
}

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    openPalette();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || typing() || document.querySelector("dialog[open]")) return;
  const place = Date.now() - chord < CHORD_MS ? PLACES[event.key] : undefined;
  chord = event.key === "g" ? Date.now() : 0;
  if (place) document.querySelector<HTMLElement>(`.nav a[href="${place}"]`)?.click();
  else if (event.key === "/") openPalette();
  else if (event.key === "?") document.querySelector<HTMLDialogElement>("#shortcuts")?.showModal();
  else if (event.key === "j") walk(1);
  else if (event.key === "k") walk(-1);
  else if (event.key === "[") tab(-1);
  else if (event.key === "]") tab(1);
  else if (event.key === "l") document.querySelector<HTMLElement>(".line.now i")?.click();
  else if (event.key === "f") document.querySelector<HTMLElement>("#output-search")?.focus();
  else return;
  event.preventDefault();
});
