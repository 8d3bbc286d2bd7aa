// <deployment-output src="/deployments/dep_…/output" last="120"> adds the lines that come after those it has. It
// follows the end while the end is in view, as a terminal does. A click on a line's number makes the address one that
// leads to that line.

class DeploymentOutput extends HTMLElement {
  #busy = false;
  #again = false;

  connectedCallback(): void {
    document.addEventListener("live:changed", this.#fetch);
    this.addEventListener("click", this.#mark);
    this.#toEnd();
    // The page came with the first lines; the rest is fetched at once.
    void this.#fetch();
  }

  disconnectedCallback(): void {
    document.removeEventListener("live:changed", this.#fetch);
  }

  #mark = (event: Event): void => {
    const number = event.target;
    const line = number instanceof Element && number.matches("i") ? number.closest(".line") : null;
    if (line) location.hash = line.id;
  };

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
    const atEnd = this.scrollHeight - this.scrollTop - this.clientHeight < 40;
    this.setAttribute("last", last);
    this.querySelector(".output-empty")?.remove();
    this.append(part);
    if (atEnd) this.#toEnd();
    return part.hasAttribute("data-more");
  }
}

customElements.define("deployment-output", DeploymentOutput);
