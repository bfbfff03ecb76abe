// Renders the page for each request, and serves what was built for the browser.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createClient } from "@countersign/client";
import { renderToString } from "react-dom/server";
import { App } from "./app.tsx";

const { ENDPOINT = "http://localhost:4000/graphql", PORT = "5002" } = process.env;

const dist = new URL("../dist/", import.meta.url);
const page = await readFile(new URL("ssr.html", dist), "utf8");

function render(): string {
  // One client for each request: nothing of one visitor's may reach another.
  const app = renderToString(<App client={createClient({ endpoint: ENDPOINT })} />);
  return page.replace(
    '<div id="root"><!--app-->',
    `<div id="root" data-endpoint="${ENDPOINT}">${app}`,
  );
}

createServer(async ({ url = "/" }, response) => {
  const [, asset] = /^\/assets\/([\w.-]+)$/.exec(url) ?? [];
  if (asset === undefined) return response.setHeader("content-type", "text/html").end(render());
  const type = asset.endsWith(".wasm") ? "application/wasm" : "text/javascript";
  try {
    const body = await readFile(new URL(`assets/${asset}`, dist));
    return response.setHeader("content-type", type).end(body);
  } catch {
    return response.writeHead(404).end();
  }
}).listen(Number(PORT), "127.0.0.1");
