import { defineConfig } from "vite";

// The server must see the browser's own `Host`, which it compares with the `Origin`.
const proxy = { "/graphql": { target: "http://localhost:4000", changeOrigin: false, ws: true } };

export default defineConfig(({ isSsrBuild }) => ({
  build: {
    // The server's content security policy forbids what is written into the page as data.
    assetsInlineLimit: 0,
    rolldownOptions: isSsrBuild
      ? {}
      : { input: ["index.html", "fetch.html", "apollo.html", "urql.html", "ssr.html"] },
  },
  ssr: { external: ["@countersign/client"] },
  server: { proxy },
  preview: { proxy },
}));
