// The palette (Ctrl-K): the list of the page /go in a dialog, fetched while one types. Its entries are the page's
// links and forms, so that whatever can be reached here can be reached without it.

const TYPING_MS = 80;

let timer = 0;
let newest = 0;

const dialog = () => document.querySelector<HTMLDialogElement>("#palette");
const field = () => document.querySelector<HTMLInputElement>("#palette-field");
const entries = () => [...document.querySelectorAll<HTMLElement>("#palette-found .entry")];

/** Opens it, empty. */
export function openPalette(): void {
  const [box, input] = [dialog(), field()];
  if (!box || !input || box.open) return;
  input.value = "";
  box.showModal();
  void find();
}

/** Fetches what begins with what is typed; an answer that comes too late is dropped. */
async function find(): Promise<void> {
  const asked = ++newest;
  const address = new URL("/go", location.href);
  address.searchParams.set("q", field()?.value ?? "");
  const project = /^\/projects\/(prj_[a-z0-9]+)/.exec(location.pathname)?.[1];
  if (project) address.searchParams.set("project", project);
  const place = document.getElementById("palette-found");
  try {
    const answer = await fetch(address, { headers: { accept: "text/html", "x-refresh": "1" }, cache: "no-store" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (asked !== newest || !place) return;
    const found = page.querySelector("#found");
    place.replaceChildren(...(found ? [...found.children].map((node) => document.adoptNode(node)) : []));
  } catch {
    if (asked === newest) place?.replaceChildren("DevFlow cannot be reached now.");
  }
}

document.addEventListener("input", (event) => {
  if (event.target !== field()) return;
  clearTimeout(timer);
  timer = window.setTimeout(() => void find(), TYPING_MS);
});

// Up and down lead through field and entries; Enter in the field takes the first entry; typing goes on in the field.
document.addEventListener("keydown", (event) => {
  const box = dialog();
  if (!box?.open) return;
  const stops = [field(), ...entries()].filter((stop) => stop !== null);
  const at = stops.findIndex((stop) => stop === document.activeElement);
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    const step = event.key === "ArrowDown" ? 1 : -1;
    stops[(at + step + stops.length) % stops.length]?.focus();
  } else if (event.key.length === 1 && at > 0 && !event.ctrlKey && !event.metaKey && event.key !== " ") {
    field()?.focus();
  }
});

document.addEventListener(
  "submit",
  (event) => {
    const box = dialog();
    if (!box?.open || !(event.target instanceof HTMLElement) || !box.contains(event.target)) return;
    if (event.target.matches("[role=search]")) {
      event.preventDefault();
      void takeFirst();
    } else {
      box.close();
    }
  },
  true,
);

/** What was typed last may not be shown yet when Enter is pressed. */
async function takeFirst(): Promise<void> {
  clearTimeout(timer);
  await find();
  entries()[0]?.click();
}

// A click beside it closes it.
document.addEventListener("click", (event) => {
  const box = dialog();
  if (box?.open && event.target === box) box.close();
  const opener = event.target instanceof Element ? event.target.closest('a[href="/go"]') : null;
  if (!opener) return;
  event.preventDefault();
  openPalette();
});
