import { readFile } from "node:fs/promises";

/** The WASM core's bytes: Node's fetch does not read files. */
export const source = (): URL | Promise<Uint8Array<ArrayBuffer>> =>
  readFile(new URL("../../pkg/wasm_client_bg.wasm", import.meta.url));
