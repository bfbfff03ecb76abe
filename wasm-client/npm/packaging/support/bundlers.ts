import { copyFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { nodeResolve } from "@rollup/plugin-node-resolve";
import * as esbuild from "esbuild";
import { rollup } from "rollup";
import * as vite from "vite";
import webpack from "webpack";

/** Builds the page of `app` into the folder `out`, with what a user of that bundler writes and nothing for our sake. */
export type Bundler = (app: string, out: string) => Promise<void>;

/** By name. Vite and webpack copy the WASM file; the others take it inline. */
export const bundlers: Record<string, Bundler> = {
  vite: async (app, out) => {
    await vite.build({
      root: app,
      base: "./",
      configFile: false,
      logLevel: "warn",
      build: { outDir: out, emptyOutDir: true },
    });
  },

  webpack: async (app, out) => {
    const compiler = webpack({
      mode: "production",
      context: app,
      entry: "./page.js",
      output: { path: out, filename: "page.js" },
      performance: { hints: false },
    });
    const stats = await promisify(compiler.run.bind(compiler))();
    await promisify(compiler.close.bind(compiler))();
    if (stats?.hasErrors() || stats?.hasWarnings()) throw new Error(stats.toString());
    const page = await readFile(join(app, "index.html"), "utf8");
    await writeFile(join(out, "index.html"), page.replace('type="module"', "defer"));
  },

  esbuild: async (app, out) => {
    const { warnings } = await esbuild.build({
      entryPoints: { page: join(app, "page-inline.js") },
      bundle: true,
      splitting: true,
      format: "esm",
      minify: true,
      outdir: out,
      logLevel: "silent",
    });
    if (warnings.length > 0) throw new Error(JSON.stringify(warnings));
    await copyFile(join(app, "index.html"), join(out, "index.html"));
  },

  rollup: async (app, out) => {
    const bundle = await rollup({
      input: { page: join(app, "page-inline.js") },
      plugins: [nodeResolve()],
      onwarn: (warning) => {
        throw new Error(warning.message);
      },
    });
    await bundle.write({ dir: out, format: "es" });
    await copyFile(join(app, "index.html"), join(out, "index.html"));
  },
};
