import { mkdtemp, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, createServer, type InlineConfig, type ProxyOptions, preview } from "vite";

const COMMON: InlineConfig = {
  root: fileURLToPath(new URL("../recipes", import.meta.url)),
  configFile: false,
  logLevel: "silent",
  worker: { format: "es" },
};
/** Any free one. */
const PORT = { host: "127.0.0.1", port: 0, allowedHosts: true as const };

/** Passes on what is the server's. It must see the browser's own `Host`, which it compares with the `Origin`. */
const behind = (target: string): Record<string, ProxyOptions> => ({
  "/graphql": { target, ws: true, changeOrigin: false },
  "/.well-known": { target, changeOrigin: false },
});

/** A small app of somebody else's, which Vite builds and serves on ports of its own. */
export class App {
  readonly #folder: string;
  readonly #stops: (() => Promise<void>)[] = [];

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async build(): Promise<App> {
    const outDir = await mkdtemp(join(tmpdir(), "countersign-recipes-"));
    await build({ ...COMMON, build: { outDir, target: "es2022", emptyOutDir: true } });
    return new App(outDir);
  }

  /** Serves what was built, with the content security policy `policy`, and `origin` behind `/graphql`; the port. */
  async serve(policy?: string, origin?: string): Promise<number> {
    const server = await preview({
      ...COMMON,
      build: { outDir: this.#folder },
      preview: {
        ...PORT,
        headers: policy ? { "content-security-policy": policy } : {},
        proxy: origin ? behind(origin) : {},
      },
    });
    this.#stops.push(() => server.close());
    return (server.httpServer.address() as AddressInfo).port;
  }

  /** Serves the sources, as one does while writing them, with `origin` behind `/graphql`; the port. */
  async develop(origin: string): Promise<number> {
    const server = await createServer({ ...COMMON, server: { ...PORT, proxy: behind(origin) } });
    this.#stops.push(() => server.close());
    const { httpServer } = await server.listen();
    return (httpServer?.address() as AddressInfo | null)?.port ?? 0;
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops) await stop();
    await rm(this.#folder, { recursive: true });
  }
}
