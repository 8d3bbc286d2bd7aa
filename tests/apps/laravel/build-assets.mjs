// Writes what a bundler would: hashed copies of the assets and a manifest that names them.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, extname } from 'node:path';

const source = 'resources/assets';
const target = 'public/build';
mkdirSync(`${target}/assets`, { recursive: true });
const manifest = {};
for (const name of readdirSync(source)) {
    const content = readFileSync(`${source}/${name}`);
    const hash = createHash('sha256').update(content).digest('hex').slice(0, 8);
    const ending = extname(name);
    const file = `assets/${basename(name, ending)}-${hash}${ending}`;
    writeFileSync(`${target}/${file}`, content);
    manifest[`${source}/${name}`] = { file, src: `${source}/${name}` };
}
writeFileSync(`${target}/manifest.json`, JSON.stringify(manifest, null, 2));
console.log(`built ${Object.keys(manifest).length} assets`);
