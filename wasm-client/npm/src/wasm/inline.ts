/** The WASM core's bytes from a module, which is loaded when they are asked for: it needs no file and no permission. */
export const source = async (): Promise<Uint8Array<ArrayBuffer>> => {
  const { default: text } = await import("../../pkg/wasm_client_inline.js");
  const gzip = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const bytes = new Blob([gzip]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(bytes).arrayBuffer());
};
