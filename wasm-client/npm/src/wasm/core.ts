import * as glue from "../../pkg/wasm_client.js";
import { CountersignError } from "../error.js";
import { source } from "./source.js";

/**
 * The functions of the WASM core: numbers and text in, numbers and one JSON text out. Written here, because the glue's own
 * types need those of a page.
 */
export interface Exports {
  decode(token: string): string;
  findKey(jwks: string, kid: string): string;
  verify(
    token: string,
    publicKey: Uint8Array,
    issuer: string,
    audience: string,
    now: number,
    leeway: number,
  ): number;
  check(
    token: string,
    algorithm: string,
    issuer: string,
    audience: string,
    now: number,
    leeway: number,
  ): number;
  plan(
    state: number[],
    event: number,
    value: number,
    extra: number,
    now: number,
    random: number,
  ): Float64Array;
}

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
 * A trap leaves the instance in an unknown state, so the call gets a second try on a fresh one. Any other error is the
 * caller's: the arguments were not what they should be.
 */
export function guarded(core: Exports, renew: () => void): Core {
  function attempt<T>(call: (core: Exports) => T, onTrap: (trap: Error) => T): T {
    try {
      return call(core);
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
      renew();
      return onTrap(error);
    }
  }
  return (call) =>
    attempt(call, () =>
      attempt(call, (trap) => {
        throw unavailable(trap);
      }),
    );
}

function unavailable(cause: unknown): CountersignError {
  return new CountersignError("WASM_UNAVAILABLE", "WebAssembly cannot run here", { cause });
}
