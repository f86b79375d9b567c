// Make the two files that the service serves of the sources: `npm install && npm run build`.
// Whoever changes a source runs it; a test compares the digest of the sources with the one that the files carry.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const digest = createHash("sha256");
for (const name of readdirSync(`${here}src`).sort()) digest.update(readFileSync(`${here}src/${name}`));
const stamp = `/* ${digest.digest("hex").slice(0, 8)} */`;
const out = process.argv[2] ?? here;
const settings = { bundle: true, minify: true, format: "esm", target: "es2022", charset: "utf8" };

await build({
  ...settings,
  entryPoints: [`${here}src/global.js`],
  outfile: `${out}/dropoff.js`,
  banner: { js: `${stamp}(()=>{` },
  footer: { js: "})();" },
});
await build({
  ...settings,
  entryPoints: [`${here}src/dropoff-banner.js`],
  outfile: `${out}/dropoff-banner.js`,
  banner: { js: stamp },
});
