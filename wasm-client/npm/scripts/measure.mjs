// What a page downloads of an app's code when a bundler has made it small and a web server has compressed it.
import { brotliCompressSync, gzipSync } from "node:zlib";
import { rolldown } from "rolldown";

/** The bytes that compressed files have together, each compressed by itself, as a web server sends it. */
export function weigh(files) {
  const sum = (compress) =>
    files.reduce((total, file) => total + compress(Buffer.from(file)).length, 0);
  return { gzip: sum((file) => gzipSync(file, { level: 9 })), brotli: sum(brotliCompressSync) };
}

/**
 * Bundles the module `input` for the browser, minified and with tree shaking, as Vite does. `first` are the chunks that the
 * page loads at once, `later` those that are imported when they are needed. What `isExternal` names is left out; a library
 * keeps all that it exports, an app does not.
 */
export async function bundle(input, { plugins, isExternal, isLibrary = false } = {}) {
  const built = await rolldown({
    input,
    plugins,
    external: isExternal,
    platform: "browser",
    preserveEntrySignatures: isLibrary && "strict",
    logLevel: "silent",
  });
  const { output } = await built.generate({ format: "es", minify: true });
  await built.close();
  const chunks = output.filter(({ type }) => type === "chunk");
  const first = new Set(chunks.filter(({ isEntry }) => isEntry));
  for (const { imports } of first)
    for (const chunk of chunks) if (imports.includes(chunk.fileName)) first.add(chunk);
  return { first: [...first], later: chunks.filter((chunk) => !first.has(chunk)) };
}

/** A plugin that makes the text `code` the module `id`, so that an app needs no file. */
export const virtual = (id, code) => ({
  name: "virtual",
  resolveId: (wanted) => (wanted === id ? id : undefined),
  load: (wanted) => (wanted === id ? code : undefined),
});

/** The texts of chunks. */
export const codes = (chunks) => chunks.map(({ code }) => code);
