// Keeps "3 min ago" true while a page is open and shows exact times in the reader's own time zone.

const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

function ago(seconds: number): string {
  if (seconds < 5) return "now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ago`;
  const days = Math.floor(seconds / 86_400);
  return days === 1 ? "yesterday" : `${days} days ago`;
}

function length(seconds: number): string {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`;
}

function say(time: HTMLTimeElement, text: string): void {
  if (time.textContent !== text) time.textContent = text;
}

function update(): void {
  const now = Date.now();
  for (const time of document.querySelectorAll<HTMLTimeElement>("time[datetime]")) {
    const at = Date.parse(time.dateTime);
    const seconds = Math.max(0, (now - at) / 1_000);
    if (time.hasAttribute("data-exact")) {
      say(time, exact.format(at));
      continue;
    }
    time.title = exact.format(at);
    if (time.hasAttribute("data-running")) say(time, length(seconds));
    else if (seconds < 30 * 86_400) say(time, ago(seconds));
  }
}

update();
document.addEventListener("page:shown", update);
setInterval(update, 1_000);
