import { rm } from "node:fs/promises";
import type { TestProject } from "vitest/node";
import { type Packed, pack } from "./packed.js";

declare module "vitest" {
  interface ProvidedContext {
    packed: Packed;
  }
}

/** Packs once for all tests. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const packed = await pack();
  project.provide("packed", packed);
  return () => rm(packed.folder, { recursive: true });
}
