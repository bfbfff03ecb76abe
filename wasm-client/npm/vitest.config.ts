import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 20_000,
    unstubGlobals: true,
    restoreMocks: true,
    // What browsers have, and Node since version 22.
    execArgv: ["--experimental-websocket"],
    // The package runs as Node loads it, not as Vite would transform it.
    server: { deps: { external: [/wasm-client\/npm\/(dist|pkg)\//] } },
  },
});
