/** One of the three parts of a token, decoded. */
type Part = Record<string, unknown>;

/** Ways to make a token lie. Each returns the token unchanged when it is not three parts of JSON, JSON and bytes. */
export type Tampering = (token: string) => string;

function decode(part: string): Part {
  const bytes = Uint8Array.from(atob(part.replaceAll("-", "+").replaceAll("_", "/")), (char) =>
    char.charCodeAt(0),
  );
  return JSON.parse(new TextDecoder().decode(bytes));
}

function encode(part: Part): string {
  const bytes = new TextEncoder().encode(JSON.stringify(part));
  const text = btoa(String.fromCharCode(...bytes));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function change(
  token: string,
  edit: (header: Part, claims: Part, signature: string) => string,
): string {
  const [header, claims, signature, ...rest] = token.split(".");
  if (header === undefined || claims === undefined || signature === undefined || rest.length > 0)
    return token;
  try {
    return edit(decode(header), decode(claims), signature);
  } catch {
    return token;
  }
}

/** Claims the role ADMIN, or MANAGER where it is ADMIN already. */
export const changeRole: Tampering = (token) =>
  change(token, (header, claims, signature) => {
    const role = claims.role === "ADMIN" ? "MANAGER" : "ADMIN";
    return `${encode(header)}.${encode({ ...claims, role })}.${signature}`;
  });

/** Claims to be good for a year longer. */
export const liveLonger: Tampering = (token) =>
  change(token, (header, claims, signature) => {
    const exp = Number(claims.exp) + 365 * 24 * 3600;
    return `${encode(header)}.${encode({ ...claims, exp })}.${signature}`;
  });

/** Replaces one character in the middle of the signature; every bit there counts, unlike in the last character. */
export const flipSignature: Tampering = (token) =>
  change(token, (_header, _claims, signature) => {
    const at = Math.floor(signature.length / 2);
    const other = signature[at] === "A" ? "B" : "A";
    const unsigned = token.slice(0, token.length - signature.length);
    return unsigned + signature.slice(0, at) + other + signature.slice(at + 1);
  });

/** Says that no signature is needed, and leaves it out: the oldest trick there is. */
export const noAlgorithm: Tampering = (token) =>
  change(token, (header, claims) => `${encode({ ...header, alg: "none" })}.${encode(claims)}.`);
