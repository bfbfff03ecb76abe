// What the pieces of code in the documents have from the page around them.

declare const client: import("@countersign/client").Client;
declare const session: import("@countersign/client").Session;
