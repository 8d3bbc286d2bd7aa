// Bundles the dashboard's styles, scripts and icons into ../dist/assets under names that carry their content's hash,
// and writes ../dist/assets.json (plain name -> path), which build.rs turns into constants.
//
// Modules come from the folder that DEVFLOW_NPM names (it holds node_modules), else from the cache folder that xtask
// names in DEVFLOW_CACHE, else from this folder's own.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, extname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const cache = process.env.DEVFLOW_CACHE ? join(process.env.DEVFLOW_CACHE, "npm") : here;
const modules = resolve(process.env.DEVFLOW_NPM ?? cache, "node_modules");
const dist = resolve(here, "../dist");
const require = createRequire(join(modules, "resolve-from-here.js"));

function load(name) {
  try {
    return require(name);
  } catch (error) {
    console.error(
      `The package ${name} is not in ${modules}. Run \`npm install\` in edge-worker/ui, or set DEVFLOW_NPM to a ` +
        `folder whose node_modules has the packages of xtask/node/package.json. (${error.message})`,
    );
    process.exit(1);
  }
}

function checkTypes() {
  const folder = mkdtempSync(join(tmpdir(), "devflow-ui-"));
  try {
    const settings = {
      extends: join(here, "tsconfig.json"),
      compilerOptions: { paths: { "*": [join(modules, "*")] } },
      include: [join(here, "src")],
    };
    const file = join(folder, "tsconfig.json");
    writeFileSync(file, JSON.stringify(settings));
    execFileSync(process.execPath, [join(modules, "typescript/bin/tsc"), "--project", file], { stdio: "inherit" });
  } catch {
    console.error("The dashboard's scripts have type errors, see above.");
    process.exit(1);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const named = {};

function write(name, content) {
  const hash = createHash("sha256").update(content).digest("hex").slice(0, 10);
  const extension = extname(name);
  const file = `${name.slice(0, -extension.length)}-${hash}${extension}`;
  writeFileSync(join(dist, "assets", file), content);
  named[name] = `/assets/${file}`;
}

const esbuild = load("esbuild");
load("typescript/package.json");
checkTypes();
rmSync(dist, { recursive: true, force: true });
mkdirSync(join(dist, "assets"), { recursive: true });

for (const entry of ["src/app.ts", "src/passkey.ts", "css/app.css"]) {
  const result = await esbuild.build({
    entryPoints: [join(here, entry)],
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: ["es2022", "chrome123", "firefox120", "safari17.5"],
    legalComments: "none",
    nodePaths: [modules],
    logLevel: "warning",
  });
  const extension = extname(entry);
  write(basename(entry, extension) + (extension === ".ts" ? ".js" : extension), Buffer.from(result.outputFiles[0].contents));
}
for (const icon of readdirSync(join(here, "icons")).sort()) {
  write(icon, readFileSync(join(here, "icons", icon)));
}

writeFileSync(join(dist, ".assetsignore"), "assets.json\n");
writeFileSync(join(dist, "assets.json"), `${JSON.stringify(named, null, 2)}\n`);
// Cloudflare reads this file; a hashed name never changes its content.
writeFileSync(
  join(dist, "_headers"),
  "/assets/*\n  Cache-Control: public, max-age=31536000, immutable\n  X-Content-Type-Options: nosniff\n",
);
