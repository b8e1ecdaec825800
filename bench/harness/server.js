import { fileURLToPath } from "node:url";

/** Peers that Vite bundles beforehand: what it finds later would reload the page in mid-measurement. */
const bundled = [
  "@jax-js/jax",
  "@tensorflow/tfjs-core",
  "@tensorflow/tfjs-core/dist/register_all_gradients.js",
  "@tensorflow/tfjs-backend-webgpu",
];

/**
 * Vite's configuration for the page the benches run in. `?isolated` in a page's address makes it cross-origin
 * isolated, so that SharedArrayBuffer is there.
 */
export const serverConfig = (bench) => ({
  configFile: false,
  root: bench,
  logLevel: "error",
  appType: "mpa",
  resolve: { alias: { fulgurite: fileURLToPath(new URL("../../src/index.ts", import.meta.url)) } },
  server: {
    host: "127.0.0.1",
    port: 0,
    hmr: false,
    watch: null,
    fs: { allow: [fileURLToPath(new URL("../..", import.meta.url))] },
  },
  optimizeDeps: { noDiscovery: true, include: bundled },
  plugins: [
    {
      name: "isolation",
      configureServer(server) {
        server.middlewares.use((request, response, next) => {
          response.setHeader("Cross-Origin-Embedder-Policy", "require-corp");
          response.setHeader("Cross-Origin-Resource-Policy", "same-origin");
          if (request.url?.includes("?isolated")) {
            response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
          }
          next();
        });
      },
    },
  ],
});
