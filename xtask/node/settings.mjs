// What wrangler makes of wrangler.toml and the migrations. Loading it takes longer than starting the Worker, so what it
// said is kept in edge-worker/build until one of them changes.
import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rename, writeFile } from "node:fs/promises";
import path from "node:path";

/** Files of a folder of migrations, in order: their names and texts. */
async function texts(folder) {
  const files = (await readdir(folder)).filter((file) => file.endsWith(".sql")).sort();
  return Promise.all(files.map(async (file) => [file, await readFile(path.join(folder, file), "utf8")]));
}

/**
 * Settings of the Worker of a checkout: `{ worker, migrations: { core, logs } }`, options as Miniflare 4 takes them, and
 * lists of `[file, statements]`. `load` is the `require` of the folder where wrangler is installed.
 */
export async function settings(worktree, load) {
  const toml = path.join(worktree, "wrangler.toml");
  const core = await texts(path.join(worktree, "migrations", "core"));
  const logs = await texts(path.join(worktree, "migrations", "logs"));
  const { version } = load("wrangler/package.json");
  const inputs = JSON.stringify([worktree, version, await readFile(toml, "utf8"), core, logs]);
  const of = createHash("sha256").update(inputs).digest("hex");
  const build = path.join(worktree, "edge-worker", "build");
  const file = path.join(build, "settings.json");
  const kept = await readFile(file, "utf8").then(JSON.parse, () => ({}));
  if (kept.of === of) return kept;

  const wrangler = load("wrangler");
  const { workerOptions: worker } = wrangler.unstable_getMiniflareWorkerOptions(toml);
  const split = ([name, sql]) => [name, wrangler.unstable_splitSqlQuery(sql)];
  const read = { of, worker, migrations: { core: core.map(split), logs: logs.map(split) } };
  await mkdir(build, { recursive: true });
  // Several may start at the same moment; each reads a whole file.
  await writeFile(`${file}.${process.pid}`, JSON.stringify(read));
  await rename(`${file}.${process.pid}`, file);
  return read;
}
