/**
 * Builds static/widget.js from src/, and checks what was built.
 *
 * node build.js            writes static/widget.js and its map
 * node build.js --check    fails when the committed files differ from a fresh build
 * node build.js --size     prints the sizes and fails above the limit
 * node build.js --release  writes static/widget-VERSION.js, which never changes again
 */

import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";

import * as esbuild from "esbuild";

const GZIP_LIMIT = 10_000;
const { version } = JSON.parse(readFileSync(here("package.json"), "utf8"));

/** A style sheet is imported as its minified text. */
const minifiedCss = {
  name: "minified-css",
  setup(bundle) {
    bundle.onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const source = readFileSync(path, "utf8");
      const { code } = await esbuild.transform(source, { loader: "css", minify: true });
      return { contents: code.trim(), loader: "text" };
    });
  },
};

const files = await build();
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

async function build() {
  const { outputFiles } = await esbuild.build({
    absWorkingDir: here("."),
    entryPoints: ["src/main.js"],
    outfile: "../static/widget.js",
    bundle: true,
    minify: true,
    format: "iife",
    target: "es2020",
    charset: "utf8",
    sourcemap: "linked",
    legalComments: "none",
    define: { VERSION: JSON.stringify(version) },
    plugins: [minifiedCss],
    write: false,
  });
  return Object.fromEntries(outputFiles.map(({ path, text }) => [path.split(/[/\\]/).pop(), text]));
}

function check() {
  for (const [name, text] of Object.entries(files)) {
    if (!existsSync(built(name)) || readFileSync(built(name), "utf8") !== text) {
      fail(`static/${name} is not what src/ builds; run: npm run build`);
    }
  }
  const released = built(`widget-${version}.js`);
  if (existsSync(released) && readFileSync(released, "utf8") !== withoutMap(code)) {
    fail(`version ${version} is released and has changed; raise "version" in package.json`);
  }
}

function size() {
  const gzip = gzipSync(code, { level: 9 }).length;
  const sizes = { raw: Buffer.byteLength(code), gzip, brotli: brotliCompressSync(code).length };
  console.log(`widget.js ${version}: ${JSON.stringify(sizes)}, limit ${GZIP_LIMIT} gzip`);
  if (gzip > GZIP_LIMIT) fail(`${gzip - GZIP_LIMIT} bytes too many`);
}

function release() {
  check();
  const text = withoutMap(code);
  writeFileSync(built(`widget-${version}.js`), text);
  console.log(`integrity="sha384-${createHash("sha384").update(text).digest("base64")}"`);
}

function withoutMap(text) {
  return text.replace(/\/\/# sourceMappingURL=.*\s*$/, "");
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
