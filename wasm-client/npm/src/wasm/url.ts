/** Where the WASM core is, written so that bundlers find the file and copy it. */
export const source = (): URL | Promise<Uint8Array<ArrayBuffer>> =>
  new URL("../../pkg/wasm_client_bg.wasm", import.meta.url);
