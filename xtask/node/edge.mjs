// Starts the built Worker in workerd, through Miniflare, from what wrangler.toml says.
//
//   node edge.mjs CONFIG.json
//
// CONFIG.json:
//   { "npm":      "/…/node_modules"   where wrangler is installed; Miniflare comes with it
//     "worktree": "/…"                the checkout; edge-worker/build has to be built (see wrangler.toml)
//     "port":     0                   0 lets the system choose
//     "persist":  "/…"                folder for databases, objects and blobs
//     "vars":     { … }               variables and secrets beside those of wrangler.toml
//     "limits":   false               count requests as wrangler.toml says
//     "cron":     true }              run the cron trigger each minute (default: true)
//
// Prints one line, {"ready":true,"url":"http://127.0.0.1:PORT"}, on stdout when the Worker answers and its
// migrations are applied; everything else goes to stderr. Ends when stdin closes, or on SIGTERM or SIGINT.
// `GET /cdn-cgi/local/scheduled` runs the cron trigger at once.
import { mkdir, readFile, readdir } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { settings } from "./settings.mjs";

process.env.WRANGLER_SEND_METRICS ??= "false";
process.env.CI ??= "true";
// Wrangler and Miniflare print notices on stdout; the caller reads one line there.
console.log = console.info = console.warn = console.debug = (...args) => console.error(...args);

const config = JSON.parse(await readFile(process.argv[2], "utf8"));
const load = createRequire(path.join(config.npm, "noop.js"));
const { Miniflare, convertV4MiniflareOptions } = createRequire(load.resolve("wrangler"))("miniflare");

// No address that a browser could ask for.
const MIGRATE = "http://migrate.invalid/";
const read = await settings(config.worktree, load);
const build = path.join(config.worktree, "edge-worker", "build");

/** The Worker's files as Miniflare takes them: the entry module first. */
async function modules() {
  const files = await readdir(build, { recursive: true });
  const types = { ".js": "ESModule", ".mjs": "ESModule", ".wasm": "CompiledWasm" };
  const list = files
    .filter((file) => types[path.extname(file)])
    .map((file) => ({ type: types[path.extname(file)], path: path.join(build, file) }));
  const entry = path.join(build, "index.js");
  if (!list.some((file) => file.path === entry)) {
    throw new Error(`${entry} is missing: build the Worker first (see the top of wrangler.toml)`);
  }
  return list.sort((a, b) => Number(b.path === entry) - Number(a.path === entry));
}

/** Options for Miniflare: wrangler's reading of wrangler.toml, with this run's folders and variables. */
async function options() {
  const { modulesRules, ratelimits, ...worker } = read.worker;
  await mkdir(config.persist, { recursive: true });
  await mkdir(path.join(config.worktree, "edge-worker", "dist", "assets"), { recursive: true });
  return convertV4MiniflareOptions({
    host: "127.0.0.1",
    port: config.port ?? 0,
    resourcePersistencePath: config.persist,
    unsafeTriggerHandlers: true,
    logRequests: false,
    handleRuntimeStdio: (stdout, stderr) => {
      stdout.pipe(process.stderr);
      stderr.pipe(process.stderr);
    },
    workers: [
      {
        ...worker,
        ...(config.limits ? { ratelimits } : {}),
        name: worker.name ?? "devflow-edge",
        modules: await modules(),
        modulesRoot: build,
        bindings: { ...worker.bindings, ...config.vars },
      },
      {
        name: "migrate",
        routes: [`${MIGRATE}*`],
        compatibilityDate: worker.compatibilityDate,
        modules: [{ type: "ESModule", path: path.join(import.meta.dirname, "migrate.mjs") }],
        modulesRoot: import.meta.dirname,
        d1Databases: worker.d1Databases,
        bindings: { MIGRATIONS: read.migrations },
      },
    ],
  });
}

const miniflare = new Miniflare(await options());
let ending = false;
async function end(code) {
  if (ending) return;
  ending = true;
  setTimeout(() => process.exit(code), 5000).unref();
  await miniflare.dispose().catch((error) => console.error("stopping workerd failed:", error));
  process.exit(code);
}
process.on("SIGTERM", () => end(0));
process.on("SIGINT", () => end(0));
process.stdin.on("end", () => end(0)).on("error", () => end(0)).resume();

try {
  const url = (await miniflare.ready).origin;
  const migrated = await miniflare.dispatchFetch(MIGRATE);
  if (!migrated.ok) throw new Error(`the migrations failed: ${await migrated.text()}`);
  if (config.cron ?? true) {
    setInterval(() => {
      miniflare
        .dispatchFetch(`${url}/cdn-cgi/local/scheduled?cron=*+*+*+*+*`)
        .then((answer) => answer.text())
        .catch((error) => console.error("the cron trigger failed:", error));
    }, 60_000).unref();
  }
  process.stdout.write(`${JSON.stringify({ ready: true, url })}\n`);
} catch (error) {
  console.error("the Worker did not start:", error);
  await end(1);
}
