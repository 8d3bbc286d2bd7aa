// <pass-key options="/path"> around a form: when it is sent, the browser is asked for a passkey first, as the options
// of that path say, and the answer goes along in the fields `state` and `credential`. Without this script, or in a
// browser without passkeys, the element is not defined and its style hides it: the other factors are there. With the
// attribute `autofill` the browser also offers passkeys where it fills in a field with `autocomplete="… webauthn"`.

interface Asked {
  state: string;
  publicKey: Record<string, unknown> & { challenge: string; timeout: number; user?: { id: string } };
}

interface Named {
  id: string;
}

function bytes(text: string): Uint8Array<ArrayBuffer> {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
}

function text(buffer: ArrayBuffer): string {
  const plain = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
  return btoa(plain).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function named(list: unknown): unknown {
  return (list as Named[] | undefined)?.map((item) => ({ ...item, id: bytes(item.id) }));
}

/** A challenge that waits in the field is asked for anew before it is over, in parts of its time. */
const RENEWED_AFTER = 0.8;

/** Asks the browser, and gives its answer as the specification writes it in JSON. */
async function answer(asked: Asked["publicKey"], how: CredentialRequestOptions = {}): Promise<object> {
  const options = {
    ...asked,
    challenge: bytes(asked.challenge),
    user: asked.user && { ...asked.user, id: bytes(asked.user.id) },
    allowCredentials: named(asked["allowCredentials"]),
    excludeCredentials: named(asked["excludeCredentials"]),
  } as unknown;
  const credential = asked.user
    ? await navigator.credentials.create({ publicKey: options as PublicKeyCredentialCreationOptions })
    : await navigator.credentials.get({ ...how, publicKey: options as PublicKeyCredentialRequestOptions });
  if (!(credential instanceof PublicKeyCredential)) throw new Error("the browser gave no passkey");
  const { response } = credential;
  const given: Record<string, unknown> = { clientDataJSON: text(response.clientDataJSON) };
  if (response instanceof AuthenticatorAttestationResponse) {
    given["attestationObject"] = text(response.attestationObject);
    given["transports"] = response.getTransports();
  } else if (response instanceof AuthenticatorAssertionResponse) {
    given["authenticatorData"] = text(response.authenticatorData);
    given["signature"] = text(response.signature);
    given["userHandle"] = response.userHandle && text(response.userHandle);
  }
  return {
    id: credential.id,
    type: credential.type,
    response: given,
    clientExtensionResults: credential.getClientExtensionResults(),
  };
}

/** What to tell somebody when the browser does not go on. */
function why(error: unknown): string {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "InvalidStateError") return "This key is among your passkeys already.";
  if (name === "NotAllowedError" || name === "AbortError") {
    return "No passkey was given: it was cancelled, took too long, or this device has none for this site.";
  }
  return `The browser could not use a passkey here (${error instanceof Error ? error.message : String(error)}).`;
}

class PassKey extends HTMLElement {
  /** Ends what waits in the field. */
  #offered: AbortController | undefined;

  connectedCallback(): void {
    this.addEventListener("submit", this.#submit);
    void this.#offer();
  }

  disconnectedCallback(): void {
    this.removeEventListener("submit", this.#submit);
    this.#offered?.abort();
  }

  #submit = (event: SubmitEvent): void => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement)) return;
    event.preventDefault();
    void this.#send(form);
  };

  async #send(form: HTMLFormElement): Promise<void> {
    if (form.ariaBusy === "true") return;
    form.ariaBusy = "true";
    this.#say("");
    // A browser asks one thing at a time.
    this.#offered?.abort();
    try {
      const asked = await this.#options(form);
      if (!asked) return;
      this.#give(form, asked, await answer(asked.publicKey));
    } catch (error) {
      this.#say(why(error));
      void this.#offer();
    } finally {
      form.ariaBusy = null;
    }
  }

  /** Has the browser offer passkeys in the field, where it can, until one is chosen or the button is pressed. */
  async #offer(): Promise<void> {
    const form = this.querySelector("form");
    if (!form || !this.hasAttribute("autofill")) return;
    if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
    const offered = new AbortController();
    this.#offered = offered;
    while (!offered.signal.aborted) {
      const asked = await this.#options(form, true);
      if (!asked || offered.signal.aborted) return;
      const renewed = AbortSignal.timeout(asked.publicKey.timeout * RENEWED_AFTER);
      const signal = AbortSignal.any([offered.signal, renewed]);
      try {
        this.#give(form, asked, await answer(asked.publicKey, { mediation: "conditional", signal }));
        return;
      } catch (error) {
        if (!signal.aborted) {
          this.#say(why(error));
          return;
        }
      }
    }
  }

  #give(form: HTMLFormElement, asked: Asked, credential: object): void {
    this.#set(form, "state", asked.state);
    this.#set(form, "credential", JSON.stringify(credential));
    form.submit();
  }

  /** What to ask the browser; nothing where the page leads elsewhere or says why not. Of what nobody asked for nothing is said. */
  async #options(form: HTMLFormElement, unasked = false): Promise<Asked | undefined> {
    const body = new URLSearchParams();
    for (const [name, value] of new FormData(form)) {
      if (typeof value === "string" && name !== "credential") body.append(name, value);
    }
    const path = this.getAttribute("options") ?? "";
    let reply: Response;
    try {
      reply = await fetch(path, { method: "POST", body, headers: { accept: "application/json" } });
    } catch {
      if (!unasked) this.#say("DevFlow could not be reached. Check your connection and try again.");
      return undefined;
    }
    // The session is over.
    if (reply.redirected) {
      location.reload();
      return undefined;
    }
    const told = (await reply.json()) as Partial<Asked> & { code?: string; detail?: string };
    if (reply.ok) return told as Asked;
    if (unasked) return undefined;
    if (told.code === "proof_needed") location.assign(`/prove?next=${encodeURIComponent(location.pathname)}`);
    else this.#say(told.detail ?? "That did not work; try again.");
    return undefined;
  }

  #set(form: HTMLFormElement, name: string, value: string): void {
    let field = form.querySelector<HTMLInputElement>(`input[name="${name}"]`);
    if (!field) {
      field = document.createElement("input");
      field.type = "hidden";
      field.name = name;
      form.append(field);
    }
    field.value = value;
  }

  #say(problem: string): void {
    let place = this.querySelector<HTMLElement>(".notice");
    if (!place) {
      place = document.createElement("p");
      place.className = "notice bad";
      place.role = "alert";
      this.append(place);
    }
    place.textContent = problem;
    place.hidden = problem === "";
  }
}

if ("PublicKeyCredential" in window) customElements.define("pass-key", PassKey);
