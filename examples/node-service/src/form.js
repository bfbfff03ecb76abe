import { parse, traverse } from "@humanwhocodes/momoa";

// `JSON.parse` and `Buffer` let pass what another reader of the same token may read otherwise. One spelling, one reading:

/**
 * Whether `part` is base64url without padding, spaces and loose bits (RFC 7515 §2, RFC 4648 §3.5).
 *
 * @param {string} part
 */
export const isCanonical = (part) => Buffer.from(part, "base64url").toString("base64url") === part;

/**
 * The members of the JSON object in a part of a token, each as its name and its JSON text.
 *
 * @param {string} part
 * @returns {Map<string, string>}
 * @throws {SyntaxError} where there is no object, or one with a name that stands in it twice (RFC 7515 §4)
 */
export function members(part) {
  const bytes = Buffer.from(part, "base64url");
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  const document = parse(text, { ranges: true });
  traverse(document, {
    enter(node) {
      const text = "value" in node ? node.value : undefined;
      // Half of a surrogate pair is no character.
      if (typeof text === "string" && !text.isWellFormed()) throw new SyntaxError("not Unicode");
    },
  });
  if (document.body.type !== "Object") throw new SyntaxError("not an object");
  const found = new Map();
  for (const { name, value } of document.body.members) {
    const key = name.type === "String" ? name.value : name.name;
    if (found.has(key)) throw new SyntaxError("a repeated name");
    found.set(key, text.slice(...(value.range ?? [])));
  }
  return found;
}
