// The border to the WASM core, and the planner on both of its sides.

import { afterEach, expect, test, vi } from "vitest";
import * as planner from "../dist/planner.js";
import { type Exports, guarded, loadCore } from "../dist/wasm/core.js";
import * as glue from "../pkg/wasm_client.js";

const core = await loadCore();
const inWasm: planner.Plan = (state, ...event) => core((wasm) => wasm.plan([...state], ...event));
const trap = () => {
  throw new WebAssembly.RuntimeError("unreachable");
};

afterEach(() => vi.restoreAllMocks());

test("a trap gets the call a second try on a fresh instance", () => {
  let traps = 1;
  const decode = (token: string) => (traps-- > 0 ? trap() : glue.decode(token));
  const renew = vi.fn(glue.__wbg_reset_state);
  const call = guarded({ ...glue, decode } as Exports, renew);
  expect(call((wasm) => wasm.decode("a.b"))).toBe("");
  expect(renew).toHaveBeenCalledTimes(1);
});

test("a call that traps twice is reported, and the next one works", () => {
  let traps = 2;
  const decode = (token: string) => (traps-- > 0 ? trap() : glue.decode(token));
  const call = guarded({ ...glue, decode } as Exports, glue.__wbg_reset_state);
  expect(() => call((wasm) => wasm.decode("a.b"))).toThrow(
    expect.objectContaining({ code: "WASM_UNAVAILABLE" }),
  );
  expect(call((wasm) => wasm.decode("a.b"))).toBe("");
});

test("an error that is no trap is the caller's, and costs no instance", () => {
  const renew = vi.fn();
  const call = guarded(glue, renew);
  expect(() => call((wasm) => wasm.decode(undefined as unknown as string))).toThrow(TypeError);
  expect(renew).not.toHaveBeenCalled();
});

test("a fresh instance starts with fresh memory", () => {
  core((wasm) => wasm.decode("x".repeat(4_000_000)));
  glue.__wbg_reset_state();
  expect(core((wasm) => wasm.decode("a.b"))).toBe("");
});

test("the core plans by the formula", () => {
  const now = 1_800_000_000_000;
  const plan = (random: number) => [
    ...inWasm(planner.UNKNOWN, planner.Granted, 900_000, now, now, random),
  ];
  const latest = now + 840_000;
  expect(plan(0)).toEqual([2, now, now + 900_000, latest, 0, 0, planner.Wait, latest]);
  const earliest = plan(2 ** 32 - 1)[3] ?? 0;
  expect(earliest).toBeGreaterThanOrEqual(latest - 15_000);
  expect(earliest).toBeLessThan(latest - 14_990);
});

test("a token that was granted before the core was there is planned anew by it", () => {
  const now = 1_800_000_000_000;
  const ours = [...planner.onDemand(planner.UNKNOWN, planner.Granted, 900_000, now, now, 0)];
  expect(ours.slice(0, 4)).toEqual([2, now, now + 900_000, now + 895_000]);
  const [, sentAt = 0, expiresAt = 0] = ours;
  const theirs = [
    ...inWasm(numbersOf(ours), planner.Granted, expiresAt - sentAt, sentAt, now + 50, 0),
  ];
  expect(theirs.slice(0, 4)).toEqual([2, now, now + 900_000, now + 840_000]);
});

test("the planner without WASM never contradicts the core", () => {
  const now = 1_800_000_000_000;
  const random = generator(7);
  const events = [
    planner.Started,
    planner.Granted,
    planner.Ticked,
    planner.Woke,
    planner.Wanted,
    planner.Forced,
    planner.Failed,
    planner.Refused,
    planner.SignedOut,
  ];
  for (let round = 0; round < 3000; round += 1) {
    let state = planner.UNKNOWN;
    let time = now;
    for (let index = 0; index < 12; index += 1) {
      const event = events[Math.floor(random() * events.length)] ?? 0;
      time += Math.floor(random() * 20_000);
      const value = valueFor(event, random);
      const theirs = [
        ...inWasm(state, event, value, time - 50, time, Math.floor(random() * 2 ** 32)),
      ];
      const ours = [...planner.onDemand(state, event, value, time - 50, time, 0)];
      const at = `${planner.STATUSES[state[0] ?? 0]} on ${event} (${value}): ${ours} and ${theirs}`;
      expect(isOver(ours[0]), at).toBe(isOver(theirs[0]));
      expect(ours.slice(0, 3).slice(1), at).toEqual(theirs.slice(1, 3));
      if (ours[6] === planner.Use) expect(theirs[6], at).toBe(planner.Use);
      if (ours[6] === planner.Renew) expect([planner.Use, planner.Renew], at).toContain(theirs[6]);
      if (theirs[6] === planner.Fail) expect(ours[6], at).toBe(planner.Fail);
      state = numbersOf(random() < 0.5 ? ours : theirs);
    }
  }
});

function numbersOf(answer: number[]): planner.Numbers {
  return answer.slice(0, 6) as unknown as planner.Numbers;
}

function isOver(status = 0): boolean {
  return planner.STATUSES[status] === "anonymous" || planner.STATUSES[status] === "signed-out";
}

function valueFor(event: number, random: () => number): number {
  if (event === planner.Granted) return 1000 + Math.floor(random() * 60_000);
  if (event === planner.Failed) return random() < 0.5 ? -1 : 1000 + Math.floor(random() * 10_000);
  if (event === planner.Wanted) return Math.floor(random() * 5000);
  return random() < 0.5 ? 1 : 0;
}

/** Numbers from 0 to 1 that are the same in every run (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
