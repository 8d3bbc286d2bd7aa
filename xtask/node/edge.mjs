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
import { readFile, readdir, mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";

process.env.WRANGLER_SEND_METRICS ??= "false";
process.env.CI ??= "true";
// Wrangler and Miniflare print notices on stdout; the caller reads one line there.
console.log = console.info = console.warn = console.debug = (...args) => console.error(...args);

const config = JSON.parse(await readFile(process.argv[2], "utf8"));
const load = createRequire(path.join(config.npm, "noop.js"));
const wrangler = load("wrangler");
const { Miniflare, convertV4MiniflareOptions } = createRequire(load.resolve("wrangler"))("miniflare");

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
  const { workerOptions } = wrangler.unstable_getMiniflareWorkerOptions(
    path.join(config.worktree, "wrangler.toml"),
  );
  const { modulesRules, ratelimits, ...worker } = workerOptions;
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
    ],
  });
}

/** Applies the files of `folder` that `db` has not seen, in order, each as one batch with its own record. */
async function migrate(db, folder) {
  await db
    .prepare(
      "CREATE TABLE IF NOT EXISTS d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, " +
        "applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)",
    )
    .run();
  const { results } = await db.prepare("SELECT name FROM d1_migrations").all();
  const applied = new Set(results.map((row) => row.name));
  const files = (await readdir(folder)).filter((file) => file.endsWith(".sql")).sort();
  for (const file of files.filter((file) => !applied.has(file))) {
    const sql = await readFile(path.join(folder, file), "utf8");
    const statements = wrangler.unstable_splitSqlQuery(sql).map((statement) => db.prepare(statement));
    statements.push(db.prepare("INSERT INTO d1_migrations (name) VALUES (?1)").bind(file));
    await db.batch(statements);
    console.error(`applied ${path.basename(folder)}/${file}`);
  }
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
  await migrate(await miniflare.getD1Database("DB"), path.join(config.worktree, "migrations", "core"));
  await migrate(await miniflare.getD1Database("LOGS"), path.join(config.worktree, "migrations", "logs"));
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
