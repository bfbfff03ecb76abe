import { readFile, rename, rm, writeFile } from "node:fs/promises";

/**
 * Keeps a refresh token in a file that only its owner may read.
 *
 * @param {string} path
 * @returns {import("@countersign/client").RefreshTokenStore}
 */
export function fileStore(path) {
  return {
    async get() {
      try {
        return await readFile(path, "utf8");
      } catch (error) {
        if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
        throw error;
      }
    },

    async set(token) {
      if (token === null) return rm(path, { force: true });
      // Whatever happens meanwhile, the file holds one whole token: that of before or the new one.
      const next = `${path}.${process.pid}`;
      await writeFile(next, token, { mode: 0o600 });
      await rename(next, path);
    },
  };
}
