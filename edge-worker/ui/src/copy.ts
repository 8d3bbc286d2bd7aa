// <copy-text> gives the text inside it a button that copies it. The button's place is kept free by the style.

class CopyText extends HTMLElement {
  connectedCallback(): void {
    if (this.querySelector("button") || !navigator.clipboard) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button small";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      const text = this.querySelector("code")?.textContent ?? "";
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Press Ctrl+C";
        const code = this.querySelector("code");
        if (code) getSelection()?.selectAllChildren(code);
      }
      setTimeout(() => (button.textContent = "Copy"), 2_000);
    });
    this.append(button);
  }
}

customElements.define("copy-text", CopyText);
