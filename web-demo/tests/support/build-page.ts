import { fileURLToPath } from "node:url";
import { build } from "vite";

/** The folder of the built page that the tests of the client open; see tests/client/page. */
export const CLIENT_PAGE = fileURLToPath(
  new URL("../../test-results/client-page", import.meta.url),
);

/** Builds that page from the npm package, as an app would. */
export default async function buildPage(): Promise<void> {
  await build({
    configFile: false,
    root: fileURLToPath(new URL("../client/page", import.meta.url)),
    build: { outDir: CLIENT_PAGE, emptyOutDir: true, assetsInlineLimit: 0 },
    logLevel: "error",
  });
}
