import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// `npm run dev` serves the page with what a running pipeline says: PENSTOCK=http://127.0.0.1:8400 npm run dev
const pipeline = process.env.PENSTOCK ?? "http://127.0.0.1:8400";

export default defineConfig({
  base: "./", // below whatever path a proxy puts it
  plugins: [react()],
  build: { outDir: "../src/penstock/web/ui", emptyOutDir: true, chunkSizeWarningLimit: 2000, reportCompressedSize: false },
  server: {
    proxy: {
      "/api/v1/changes": { target: pipeline.replace(/^http/, "ws"), ws: true },
      "/api": pipeline,
      "/metrics": pipeline,
    },
  },
  test: { include: ["src/**/*.test.{ts,tsx}"] },
});
