import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

// One run covers every package, so that the last line counts everything.
export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'] } },
  test: {
    include: ['{apps,packages}/*/test/**/*.test.ts', 'test/**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/dist/**'],
    globalSetup: [fileURLToPath(new URL('support/global-redis.ts', import.meta.url))],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    reporters: [['default', { summary: false }], fileURLToPath(new URL('tally.ts', import.meta.url))],
  },
})
