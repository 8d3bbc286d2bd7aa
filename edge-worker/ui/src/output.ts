// <deployment-output src="/deployments/dep_…/output" last="120"> adds the lines that come after those it has. It
// follows the end while the end is in view, as a terminal does. A click on a line's number makes the address one that
// leads to that line; a line that an address leads to is shown as soon as it is there. The bar above searches in the
// lines. Blocks out of view cost no layout (content-visibility), and whatever looks through all lines does so a little at
// a time, so that 100,000 lines scroll and answer as a few do.

const MOST_HITS = 2_000;
const TYPING_MS = 150;
/** So long a look through the lines may keep the page from answering. */
const SLICE_MS = 10;

function numberOf(line: Element | null): number {
  return Number(line?.firstElementChild?.textContent ?? 0);
}

/** Lets the page answer. */
function pause(): Promise<void> {
  return new Promise((resume) => setTimeout(resume));
}

class DeploymentOutput extends HTMLElement {
  #busy = false;
  #again = false;
  #wanted = decodeURIComponent(location.hash.slice(1));
  /** In the order of their lines. */
  #blocks: HTMLElement[] = [];
  #hits: HTMLElement[] = [];
  #at = -1;
  #timer = 0;
  #searches = 0;
  #marked: HTMLElement | undefined;

  connectedCallback(): void {
    document.addEventListener("live:changed", this.#fetch);
    addEventListener("hashchange", this.#moved);
    this.addEventListener("click", this.#mark);
    this.addEventListener("scroll", this.#scrolled, { passive: true });
    const bar = this.#bar();
    bar?.addEventListener("input", this.#typed);
    bar?.addEventListener("keydown", this.#pressed);
    bar?.addEventListener("click", this.#clicked);
    if (bar) bar.hidden = false;
    this.#blocks = [...this.querySelectorAll<HTMLElement>(".block")];
    if (!this.#show()) this.#toEnd();
    // The page came with the first lines; the rest is fetched at once.
    void this.#fetch();
  }

  disconnectedCallback(): void {
    document.removeEventListener("live:changed", this.#fetch);
    removeEventListener("hashchange", this.#moved);
  }

  #bar(): HTMLElement | null {
    return document.getElementById("output-bar");
  }

  #mark = (event: Event): void => {
    const number = event.target;
    const line = number instanceof Element && number.matches("i") ? number.closest(".line") : null;
    if (line) location.hash = line.id || `L${numberOf(line)}`;
  };

  #moved = (): void => {
    this.#wanted = decodeURIComponent(location.hash.slice(1));
    this.#show();
  };

  /** Shows the line that the address leads to, if it is there by now. */
  #show(): boolean {
    const line = this.#wanted ? this.#find(this.#wanted) : null;
    if (!line) return this.#wanted !== "";
    this.#wanted = "";
    this.#marked?.classList.remove("marked");
    this.#marked = line;
    line.classList.add("marked");
    this.#bring(line);
    return true;
  }

  /** The line of that name: the step that failed there, or its number. */
  #find(name: string): HTMLElement | null {
    const named = document.getElementById(name);
    if (named && this.contains(named)) return named;
    const number = Number(/^L(\d+)$/.exec(name)?.[1]);
    const block = this.#blocks.findLast((block) => numberOf(block.firstElementChild) <= number);
    const lines = block ? ([...block.children] as HTMLElement[]) : [];
    return lines.find((line) => numberOf(line) === number) ?? null;
  }

  /** Scrolls a line into view; once more when the blocks around it have their true height. */
  #bring(line: HTMLElement): void {
    line.scrollIntoView({ block: "center" });
    requestAnimationFrame(() => line.scrollIntoView({ block: "center" }));
  }

  #fetch = async (): Promise<void> => {
    if (this.#busy) {
      this.#again = true;
      return;
    }
    this.#busy = true;
    try {
      do {
        this.#again = false;
        while (await this.#more()) {
          // One answer holds a limited number of lines.
        }
      } while (this.#again);
      this.#show();
      if (this.#field()?.value) await this.#search();
    } catch {
      // Said by the connection's banner; the next notice fetches from the same line on.
    } finally {
      this.#busy = false;
    }
  };

  /** Scrolls to the end; lines get their true height only once they are in view, so a few frames may be needed. */
  #toEnd(frames = 5): void {
    this.scrollTop = this.scrollHeight;
    if (frames > 1) requestAnimationFrame(() => this.#toEnd(frames - 1));
  }

  #atEnd(): boolean {
    return this.scrollHeight - this.scrollTop - this.clientHeight < 40;
  }

  #scrolled = (): void => {
    const button = document.getElementById("output-end");
    if (button) button.hidden = this.#atEnd();
  };

  async #more(): Promise<boolean> {
    const address = new URL(this.getAttribute("src") ?? "", location.href);
    address.searchParams.set("after", this.getAttribute("last") ?? "0");
    const answer = await fetch(address, { cache: "no-store" });
    if (!answer.ok) return false;
    const holder = document.createElement("template");
    holder.innerHTML = await answer.text();
    const part = holder.content.querySelector<HTMLElement>("[data-last]");
    const last = part?.dataset.last;
    if (!part || !last || last === this.getAttribute("last")) return false;
    const follow = this.#atEnd() && !this.#wanted;
    this.setAttribute("last", last);
    if (this.#blocks.length === 0) this.querySelector(".output-empty")?.remove();
    this.#blocks.push(...part.querySelectorAll<HTMLElement>(".block"));
    this.append(part);
    if (follow) this.#toEnd();
    else this.#scrolled();
    return part.hasAttribute("data-more");
  }

  #field(): HTMLInputElement | null {
    return document.querySelector("#output-search");
  }

  #typed = (): void => {
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(async () => {
      this.#at = -1;
      if (await this.#search()) this.#go(1);
    }, TYPING_MS);
  };

  #pressed = (event: KeyboardEvent): void => {
    if (event.key === "Enter") {
      event.preventDefault();
      this.#go(event.shiftKey ? -1 : 1);
    } else if (event.key === "Escape") {
      this.focus();
    }
  };

  #clicked = (event: Event): void => {
    const button = event.target instanceof Element ? event.target.closest("button") : null;
    if (button?.id === "output-end") this.#toEnd();
    else if (button?.value) this.#go(Number(button.value));
  };

  /** Finds the lines that hold what is typed, in small letters and capitals alike; false where another search began. */
  async #search(): Promise<boolean> {
    const mine = ++this.#searches;
    const wanted = this.#field()?.value.toLowerCase() ?? "";
    for (const hit of this.#hits) hit.classList.remove("hit", "now");
    this.#hits = [];
    let until = performance.now() + SLICE_MS;
    for (const block of wanted ? this.#blocks : []) {
      if (!this.#searchBlock(block, wanted)) break;
      if (performance.now() < until) continue;
      this.#tell();
      await pause();
      if (mine !== this.#searches) return false;
      until = performance.now() + SLICE_MS;
    }
    this.#hits[this.#at]?.classList.add("now");
    this.#tell();
    return true;
  }

  /** False where there are hits enough. */
  #searchBlock(block: HTMLElement, wanted: string): boolean {
    if (!block.textContent?.toLowerCase().includes(wanted)) return true;
    for (const line of block.children as HTMLCollectionOf<HTMLElement>) {
      if (!line.lastElementChild?.textContent?.toLowerCase().includes(wanted)) continue;
      line.classList.add("hit");
      if (this.#hits.push(line) === MOST_HITS) return false;
    }
    return true;
  }

  #go(step: number): void {
    const count = this.#hits.length;
    if (count > 0) {
      this.#hits[this.#at]?.classList.remove("now");
      this.#at = (this.#at + step + count) % count;
      this.#hits[this.#at]?.classList.add("now");
      const hit = this.#hits[this.#at];
      if (hit) this.#bring(hit);
    }
    this.#tell();
  }

  #tell(): void {
    const place = document.getElementById("output-hits");
    const count = this.#hits.length;
    const most = count === MOST_HITS ? `${count} or more` : `${count}`;
    if (place) place.textContent = this.#field()?.value ? (count ? `${this.#at + 1} of ${most}` : "not found") : "";
  }
}

customElements.define("deployment-output", DeploymentOutput);
