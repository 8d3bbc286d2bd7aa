// <live-topic topic="deployment:dep_…"> keeps a WebSocket open. A notice names a topic and carries no data: the page's
// own makes it fetch itself again and take over what changed, another one asks for notes about it. A lost connection is said, and caught up with when it is back.

import { parse, show } from "./page";
import { somewhere } from "./toasts";

const LONGEST_WAIT_MS = 30_000;
const SAY_LOST_AFTER_MS = 2_000;
const GATHER_MS = 60;
const FLEET = "fleet";
// The session is over, unless it was used elsewhere meanwhile.
const SESSION_OVER = 1008;

class LiveTopic extends HTMLElement {
  static observedAttributes = ["topic"];
  #socket: WebSocket | undefined;
  #failures = 0;
  #missed = false;
  #timer = 0;
  #lost = 0;

  connectedCallback(): void {
    addEventListener("online", this.#reconnectNow);
    document.addEventListener("visibilitychange", this.#shown);
    this.#open();
  }

  disconnectedCallback(): void {
    removeEventListener("online", this.#reconnectNow);
    document.removeEventListener("visibilitychange", this.#shown);
    this.#close();
  }

  attributeChangedCallback(_name: string, before: string | null, after: string | null): void {
    if (before === null || before === after || !this.isConnected) return;
    this.#close();
    this.#open();
  }

  #close(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#lost);
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
  }

  #open(): void {
    const address = new URL("/live", location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const topic = this.getAttribute("topic") ?? "";
    for (const wanted of new Set([topic, FLEET])) address.searchParams.append("topic", wanted);
    const socket = new WebSocket(address);
    this.#socket = socket;
    socket.addEventListener("open", () => {
      clearTimeout(this.#lost);
      this.#lost = 0;
      // What ended elsewhere meanwhile is told now.
      if (this.#failures > 0) somewhere(this.getAttribute("since") ?? "");
      this.#failures = 0;
      banner(false);
      // What happened between the page's rendering and now would be missed otherwise.
      changed();
    });
    socket.addEventListener("message", (message) => {
      const told = (JSON.parse(String(message.data)) as { topic?: string }).topic;
      if (told === FLEET) somewhere(this.getAttribute("since") ?? "");
      if (told !== topic) return;
      if (document.hidden) this.#missed = true;
      else changed();
    });
    socket.addEventListener("close", (closed) => {
      if (this.#socket !== socket) return;
      // The page asked for anew leads to the sign-in, or is let in and opens a socket again.
      if (closed.code === SESSION_OVER) changed();
      this.#again();
    });
  }

  #again(): void {
    this.#failures += 1;
    this.#lost ||= window.setTimeout(() => banner(true), SAY_LOST_AFTER_MS);
    const longest = Math.min(LONGEST_WAIT_MS, 500 * 2 ** this.#failures);
    this.#timer = window.setTimeout(() => this.#open(), longest / 2 + (Math.random() * longest) / 2);
  }

  #reconnectNow = (): void => {
    if (this.#socket?.readyState === WebSocket.OPEN) return;
    clearTimeout(this.#timer);
    this.#socket = undefined;
    this.#open();
  };

  #shown = (): void => {
    if (document.hidden) return;
    if (this.#missed) changed();
    this.#missed = false;
    this.#reconnectNow();
  };
}

function banner(visible: boolean): void {
  const line = document.getElementById("connection-lost");
  if (line) line.hidden = !visible;
}

let pending = 0;
let running = false;
let again = false;

/** Fetches the page again soon; several notices at once are one fetch. */
function changed(): void {
  if (running) {
    again = true;
    return;
  }
  clearTimeout(pending);
  pending = window.setTimeout(refresh, GATHER_MS);
}

async function refresh(): Promise<void> {
  running = true;
  const asked = location.href;
  try {
    const answer = await fetch(asked, { headers: { accept: "text/html", "x-refresh": "1" }, cache: "no-store" });
    if (answer.redirected && new URL(answer.url).pathname === "/sign-in") {
      location.reload();
      return;
    }
    const page = await parse(answer);
    if (location.href === asked && answer.ok) show(page, "main");
  } catch {
    // No connection: the socket notices it too, says so, and catches up when it is back.
  } finally {
    running = false;
    document.dispatchEvent(new CustomEvent("live:changed"));
    if (again) {
      again = false;
      changed();
    }
  }
}

customElements.define("live-topic", LiveTopic);
