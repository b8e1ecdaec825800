import { serveThread } from "../kernels/wasm/thread.ts";

serveThread((listener) => {
  addEventListener("message", ({ data }) => {
    listener(data as Parameters<typeof listener>[0]);
  });
});
