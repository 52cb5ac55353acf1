/**
 * Builds static/widget.js and its companions from src/, and checks what was built.
 *
 * node build.js            writes the files and their maps to static/
 * node build.js --check    fails when the committed files differ from a fresh build
 * node build.js --size     prints the sizes and fails above the limit
 * node build.js --release  writes static/widget-VERSION.js, which never changes again, and its integrity
 */

import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";

import * as esbuild from "esbuild";
import { minify } from "terser";

import { INTERNAL_NAMES } from "./internal-names.js";

const GZIP_LIMIT = 10_000;
const { version } = JSON.parse(readFileSync(here("package.json"), "utf8"));

/** What is built from what. Ordinary shoppers load the first and nothing else. */
const ENTRIES = {
  "widget.js": "src/main.js",
  "widget.module.js": "src/module.js",
  "widget-debug.js": "src/main-debug.js",
};

/** A style sheet is imported as its minified text. */
const minifiedCss = {
  name: "minified-css",
  setup(bundle) {
    bundle.onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const source = readFileSync(path, "utf8");
      const { code } = await esbuild.transform(source, { loader: "css", minify: true });
      // What esbuild leaves inside of values.
      const contents = code.trim().replace(/(?<=[,:*/]) | (?=[*/])/g, "");
      return { contents, loader: "text" };
    });
  },
};

/** @type {Record<string, Record<string, number>>} Bytes by source, of each built file. */
const shares = {};
const files = Object.assign({}, ...(await Promise.all(Object.keys(ENTRIES).map(build))));
const code = files["widget.js"];
const command = process.argv[2];
if (command === "--check") check();
else if (command === "--size") size();
else if (command === "--release") release();
else for (const [name, text] of Object.entries(files)) writeFileSync(built(name), text);

function here(name) {
  return fileURLToPath(new URL(name, import.meta.url));
}

function built(name) {
  return here(`../static/${name}`);
}

/** Bundles one entry; the second minifier then finds what the first leaves. */
async function build(name) {
  const format = name.endsWith(".module.js") ? "esm" : "iife";
  const { outputFiles, metafile } = await esbuild.build({
    absWorkingDir: here("."),
    entryPoints: [ENTRIES[name]],
    outfile: `../static/${name}`,
    bundle: true,
    minify: true,
    format,
    // What a page broke may also break what runs before any function of ours is guarded.
    ...(format === "iife" && { banner: { js: "try{" }, footer: { js: "}catch{}" } }),
    target: "es2021",
    charset: "utf8",
    sourcemap: "external",
    legalComments: "none",
    define: { VERSION: JSON.stringify(version), DEBUG: String(name === "widget-debug.js") },
    mangleProps: new RegExp(`^(${INTERNAL_NAMES.join("|")})$`),
    metafile: true,
    plugins: [minifiedCss],
    write: false,
  });
  shares[name] = sharesOf(metafile);
  const [map, script] = [/\.map$/, /\.js$/].map((end) =>
    outputFiles.find(({ path }) => end.test(path)),
  );
  const least = await minify(script.text, {
    ecma: 2020,
    module: true,
    compress: {
      passes: 3,
      hoist_funs: true,
      pure_getters: true,
      unsafe_arrows: true,
      unsafe_methods: true,
    },
    sourceMap: { content: map.text },
  });
  return { [name]: least.code, [`${name}.map`]: least.map };
}

function sharesOf({ outputs }) {
  const { inputs } = Object.values(outputs).find(({ entryPoint }) => entryPoint);
  return Object.fromEntries(
    Object.entries(inputs).map(([path, { bytesInOutput }]) => [path, bytesInOutput]),
  );
}

function check() {
  for (const [name, text] of Object.entries(files)) {
    if (!existsSync(built(name)) || readFileSync(built(name), "utf8") !== text) {
      fail(`static/${name} is not what src/ builds; run: npm run build`);
    }
  }
  const released = built(`widget-${version}.js`);
  if (existsSync(released) && readFileSync(released, "utf8") !== code) {
    fail(`version ${version} is released and has changed; raise "version" in package.json`);
  }
}

/** Prints the sizes, and of the gzip bytes each source's part by its part of the whole. */
function size() {
  const gzip = gzipSync(code, { level: 9 }).length;
  const sizes = { raw: Buffer.byteLength(code), gzip, brotli: brotliCompressSync(code).length };
  const parts = Object.entries(shares["widget.js"]).sort((a, b) => b[1] - a[1]);
  const whole = parts.reduce((sum, [, bytes]) => sum + bytes, 0);
  for (const [path, bytes] of parts) {
    console.log(`${String(Math.round((bytes / whole) * gzip)).padStart(5)} ${path.slice(4)}`);
  }
  console.log(`widget.js ${version}: ${JSON.stringify(sizes)}, limit ${GZIP_LIMIT} gzip`);
  if (gzip > GZIP_LIMIT) fail(`${gzip - GZIP_LIMIT} bytes too many`);
}

function release() {
  check();
  const name = `widget-${version}.js`;
  writeFileSync(built(name), code);
  const integrity = `sha384-${createHash("sha384").update(code).digest("base64")}`;
  const released = JSON.parse(readFileSync(built("integrity.json"), "utf8"));
  const all = { ...released, [name]: integrity };
  writeFileSync(built("integrity.json"), `${JSON.stringify(all, null, 2)}\n`);
  console.log(`integrity="${integrity}"`);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
