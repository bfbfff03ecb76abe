import { readFileSync } from "node:fs";

const npm = new URL("../../wasm-client/npm/", import.meta.url);
const { name, exports } = JSON.parse(readFileSync(new URL("package.json", npm), "utf8"));

/** Of every entry of the package that has types: its source without ending, and what it is imported as. */
const entries = new Map();
for (const [path, conditions] of Object.entries(exports)) {
  const [, source] = /"\.\/dist\/([^"]+)\.d\.ts"/.exec(JSON.stringify(conditions)) ?? [];
  if (source !== undefined && !entries.has(source)) entries.set(source, path.replace(".", name));
}

/** Pages are named after their source, and titled with what one writes in an import. */
function titles({ renderer }) {
  renderer.on("beginRender", ({ project }) => {
    for (const module of project.children) module.name = entries.get(module.name) ?? module.name;
  });
}

/** @type {import("typedoc").TypeDocOptions & import("typedoc-plugin-markdown").PluginOptions} */
export default {
  plugin: ["typedoc-plugin-markdown", titles],
  tsconfig: "../../wasm-client/npm/tsconfig.build.json",
  name: "API reference",
  entryPoints: [...entries.keys()].map((source) => `../../wasm-client/npm/src/${source}.ts`),
  out: "reference",
  readme: "none",
  router: "module",
  sort: ["source-order"],
  disableSources: true,
  excludeExternals: true,
  treatWarningsAsErrors: true,
  validation: { notExported: true, invalidLink: true, rewrittenLink: true, notDocumented: true },
  requiredToBeDocumented: [
    "Enum",
    "EnumMember",
    "Variable",
    "Function",
    "Class",
    "Interface",
    "TypeAlias",
    "Method",
  ],
  hidePageHeader: true,
  hideBreadcrumbs: true,
  hideGroupHeadings: true,
  useCodeBlocks: true,
  expandParameters: true,
  parametersFormat: "table",
  interfacePropertiesFormat: "table",
  classPropertiesFormat: "table",
  typeDeclarationFormat: "table",
  tableColumnSettings: {
    hideSources: true,
    hideInherited: true,
    hideOverrides: true,
    hideModifiers: true,
    hideDefaults: true,
  },
};
