import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

// `npm run dev` serves the page with what a running pipeline says: PENSTOCK=http://127.0.0.1:8400 npm run dev
const pipeline = process.env.PENSTOCK ?? "http://127.0.0.1:8400";

const WORTH_IT = 1024;

/** Lay the code and styles of the page beside themselves once more, compressed: so they are sent. */
function packed(): Plugin {
  return {
    name: "packed",
    apply: "build",
    writeBundle({ dir = "" }) {
      const assets = join(dir, "assets");
      for (const name of readdirSync(assets).filter((each) => /\.(js|css)$/.test(each))) {
        const content = readFileSync(join(assets, name));
        if (content.length >= WORTH_IT) writeFileSync(join(assets, `${name}.gz`), gzipSync(content, { level: 9 }));
      }
    },
  };
}

export default defineConfig({
  base: "./", // below whatever path a proxy puts it
  plugins: [react(), packed()],
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
