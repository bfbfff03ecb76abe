import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

// `cargo run -p server` listens here. It must see the browser's own `Host`, which it compares with the `Origin`.
const server = { target: "http://localhost:4000", changeOrigin: false };

/** GraphiQL's address without the ending, as the server has it. */
const graphiqlPath: Plugin = {
  name: "graphiql-path",
  configureServer({ middlewares }) {
    middlewares.use((request, _response, next) => {
      if (request.url === "/graphiql") request.url = "/graphiql.html";
      next();
    });
  },
};

export default defineConfig({
  plugins: [react(), graphiqlPath],
  // Their workers are found by a `?worker` that only Vite itself understands, not the bundling ahead of it.
  optimizeDeps: { exclude: ["graphiql/setup-workers/vite", "@graphiql/react/setup-workers/vite"] },
  // Workers are modules of our own origin: the page's policy allows `worker-src 'self'` and nothing else.
  worker: { format: "es" },
  build: {
    target: ["chrome123", "edge123", "firefox121", "safari17.5"],
    rolldownOptions: {
      input: ["index.html", "graphiql.html"],
      // "use no memo" in GraphiQL speaks to the React compiler, which does not run here.
      onwarn: (warning, warn) => warning.code !== "MODULE_LEVEL_DIRECTIVE" && warn(warning),
    },
    // The policy forbids scripts and images that are written into the page as data.
    assetsInlineLimit: 0,
    // Monaco, the editor of the GraphiQL page, is one large chunk; the demo never loads it.
    chunkSizeWarningLimit: 4096,
  },
  server: {
    port: 5173,
    strictPort: true,
    proxy: { "/graphql": { ...server, ws: true }, "/.well-known": server },
  },
});
