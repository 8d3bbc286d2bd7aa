// <deployment-output src="/deployments/dep_…/output" last="120"> adds the lines that come after those it has. It
// follows the end while the end is in view, as a terminal does. A click on a line's number makes the address one that
// leads to that line; a line that an address leads to is shown as soon as it is there. The bar above searches in the
// lines. Chunks out of view cost no layout (content-visibility), so that 100,000 lines scroll as a few do.

const MOST_HITS = 2_000;
const TYPING_MS = 150;

class DeploymentOutput extends HTMLElement {
  #busy = false;
  #again = false;
  #wanted = decodeURIComponent(location.hash.slice(1));
  #hits: HTMLElement[] = [];
  #at = -1;
  #timer = 0;

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
    if (line) location.hash = line.id;
  };

  #moved = (): void => {
    this.#wanted = decodeURIComponent(location.hash.slice(1));
    this.#show();
  };

  /** Shows the line that the address leads to, if it is there by now. */
  #show(): boolean {
    const line = this.#wanted ? document.getElementById(this.#wanted) : null;
    if (!line || !this.contains(line)) return this.#wanted !== "";
    this.#wanted = "";
    for (const marked of this.querySelectorAll(".marked")) marked.classList.remove("marked");
    line.classList.add("marked");
    line.scrollIntoView({ block: "center" });
    return true;
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
      if (this.#field()?.value) this.#search();
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
    this.querySelector(".output-empty")?.remove();
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
    this.#timer = window.setTimeout(() => {
      this.#at = -1;
      this.#search();
      this.#go(1);
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

  /** Finds the lines that hold what is typed, in small letters and capitals alike. */
  #search(): void {
    const wanted = this.#field()?.value.toLowerCase() ?? "";
    for (const hit of this.#hits) hit.classList.remove("hit", "now");
    this.#hits = [];
    if (wanted) {
      for (const line of this.querySelectorAll<HTMLElement>(".line")) {
        if (!line.lastElementChild?.textContent?.toLowerCase().includes(wanted)) continue;
        line.classList.add("hit");
        if (this.#hits.push(line) === MOST_HITS) break;
      }
    }
    this.#hits[this.#at]?.classList.add("now");
    this.#tell();
  }

  #go(step: number): void {
    const count = this.#hits.length;
    if (count > 0) {
      this.#hits[this.#at]?.classList.remove("now");
      this.#at = (this.#at + step + count) % count;
      this.#hits[this.#at]?.classList.add("now");
      this.#hits[this.#at]?.scrollIntoView({ block: "center" });
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
