import { source } from "#wasm";
import * as glue from "../../pkg/wasm_client.js";
import { CountersignError } from "../error.js";

/** The functions of the WASM core: numbers and text in, numbers and one JSON text out. */
export type Exports = Pick<typeof glue, "decode" | "verify" | "check" | "plan">;

/** Calls the core. */
export type Core = <T>(call: (core: Exports) => T) => T;

let loading: Promise<Core> | undefined;

/** Loads the WASM core once; a load that failed is tried again by the next call. */
export function loadCore(): Promise<Core> {
  loading ??= instantiate().catch((cause: unknown) => {
    loading = undefined;
    throw unavailable(cause);
  });
  return loading;
}

async function instantiate(): Promise<Core> {
  await glue.default({ module_or_path: await source() });
  return guarded(glue, glue.__wbg_reset_state);
}

/**
 * A trap leaves the instance in an unknown state, so the call gets a second try on a fresh one. Traps are all that the
 * core throws.
 */
export function guarded(core: Exports, renew: () => void): Core {
  return (call) => {
    try {
      return call(core);
    } catch {
      renew();
    }
    try {
      return call(core);
    } catch (cause) {
      renew();
      throw unavailable(cause);
    }
  };
}

function unavailable(cause: unknown): CountersignError {
  return new CountersignError("WASM_UNAVAILABLE", "WebAssembly cannot run here", { cause });
}
