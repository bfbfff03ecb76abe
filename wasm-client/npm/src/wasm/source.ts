import { source as packaged } from "#wasm";

/** Where the WASM core comes from: an address, or its bytes. */
export type Source = typeof packaged;

let chosen: Source = packaged;

/** Takes the core from elsewhere than the package's own file. */
export function choose(source: Source): void {
  chosen = source;
}

/** Where the WASM core comes from now. */
export const source: Source = () => chosen();
