import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ["*.test.ts"],
    globalSetup: ["support/setup.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Processors are few, and each file starts a server.
    fileParallelism: false,
  },
});
