// Notes about deployments that ended elsewhere. A notice carries no data: this asks what ended, at most every few
// seconds, and leaves out what the page itself is about.

const GATHER_MS = 1_500;
const GOOD_STAYS_MS = 8_000;
const MOST = 4;

let since = "";
let timer = 0;

/** Something ended or went on somewhere. `from` is when the page was made, by the server's clock. */
export function somewhere(from: string): void {
  since ||= from;
  if (timer || document.hidden) return;
  timer = window.setTimeout(() => void ask(), GATHER_MS);
}

async function ask(): Promise<void> {
  timer = 0;
  const address = new URL("/happened", location.href);
  address.searchParams.set("since", since);
  try {
    const answer = await fetch(address, { headers: { accept: "text/html" }, cache: "no-store" });
    if (!answer.ok || answer.redirected) return;
    const holder = document.createElement("template");
    holder.innerHTML = await answer.text();
    since = holder.content.querySelector<HTMLElement>("[data-until]")?.dataset.until ?? since;
    for (const note of holder.content.querySelectorAll<HTMLElement>(".toast")) pop(note);
  } catch {
    // No connection: said by the banner; the next notice asks from the same time on.
  }
}

function pop(note: HTMLElement): void {
  const here = [note.dataset.id, note.dataset.project].some((id) => id && location.pathname.includes(id));
  const place = document.getElementById("toasts");
  if (here || !place) return;
  place.append(note);
  while (place.children.length > MOST) place.firstElementChild?.remove();
  if (note.classList.contains("good")) setTimeout(() => note.remove(), GOOD_STAYS_MS);
}

document.addEventListener("click", (event) => {
  if (event.target instanceof Element && event.target.closest("button")) event.target.closest(".toast")?.remove();
});
