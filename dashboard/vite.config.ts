import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const API = "http://127.0.0.1:13579";

// "/" as base: with "./" a page below the root would look for its files beside itself.
export default defineConfig({
  base: "/",
  resolve: { alias: { "@": new URL("./src", import.meta.url).pathname } },
  plugins: [react(), tailwindcss()],
  server: { port: 5173, strictPort: true, proxy: { "/api": API, "/v1": API, "/metrics": API } },
  build: {
    outDir: "../ttt/ui/static",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 400,
    rollupOptions: {
      output: {
        manualChunks: (id: string) =>
          id.includes("node_modules") ? (id.includes("uplot") ? "chart" : "vendor") : undefined,
      },
    },
  },
  test: { environment: "happy-dom" },
} as Parameters<typeof defineConfig>[0]);
