/**
 * Imported for its effect: from then on the WASM core is loaded from a module and not from a file. For bundlers that copy no
 * files (esbuild, Rollup), for browser extensions, and for servers that are bundled into one file.
 *
 * @module
 */
import { source } from "./wasm/inline.js";
import { choose } from "./wasm/source.js";

choose(source);
