import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

/** Builds the browser's part into `dist/web`: plain files that the server serves, names hashed by content. */
export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  // Vite's own public folder is not used: every file has a hash in its name.
  publicDir: false,
  logLevel: 'warn',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: fileURLToPath(new URL('../dist/web', import.meta.url)),
    emptyOutDir: true,
    target: 'es2022',
    // No data: addresses; the policy of the page allows our own files only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
