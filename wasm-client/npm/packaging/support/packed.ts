import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const PACKAGE = fileURLToPath(new URL("../..", import.meta.url));
const NODE_MODULES = fileURLToPath(new URL("../../../../node_modules", import.meta.url));

/** The programs of our npm packages. */
export const BIN = join(NODE_MODULES, ".bin");

/** The package as `npm publish` would send it. */
export interface Packed {
  /** A folder outside of the checkout, which goes after the tests. */
  folder: string;
  tarball: string;
  /** The paths of its files. */
  files: string[];
}

/**
 * Runs a program to its end and returns what it prints.
 *
 * @throws Error with all that it printed.
 */
export async function run(program: string, words: string[], cwd: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, words, { cwd }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${error.message}\n${stdout}${stderr}`));
    });
  });
}

/** Packs the package. */
export async function pack(): Promise<Packed> {
  const folder = await mkdtemp(join(tmpdir(), "countersign-packed-"));
  const printed = await run("npm", ["pack", "--json", "--pack-destination", folder], PACKAGE);
  const [{ filename, files }] = JSON.parse(printed);
  const paths = files.map(({ path }: { path: string }) => path);
  return { folder, tarball: join(folder, filename), files: paths };
}

/**
 * Makes a project outside of the checkout that has the packed package installed, without any network, and `links` to other
 * packages of ours.
 */
export async function install({ folder, tarball }: Packed, links: string[] = []): Promise<string> {
  const app = await mkdtemp(join(folder, "app-"));
  await writeFile(join(app, "package.json"), '{ "private": true, "type": "module" }\n');
  await run("npm", ["install", "--offline", "--no-audit", "--no-fund", tarball], app);
  for (const name of links) {
    const link = join(app, "node_modules", name);
    await mkdir(dirname(link), { recursive: true });
    await symlink(join(NODE_MODULES, name), link);
  }
  return app;
}

/** As `install`, with the files of `packaging/app`. */
export async function installApp(packed: Packed): Promise<string> {
  const app = await install(packed);
  await cp(fileURLToPath(new URL("../app", import.meta.url)), app, { recursive: true });
  return app;
}
