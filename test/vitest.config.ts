import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

function fromRoot(path: string): string {
  return fileURLToPath(new URL(`../${path}`, import.meta.url))
}

// Our packages run from source, so that no test needs a build. `__vitest__` is where the global setup runs.
const fromSource = {
  resolve: { conditions: ['@wns-fanout/source'] },
  ssr: { resolve: { conditions: ['@wns-fanout/source'] } },
  environments: { __vitest__: { resolve: { conditions: ['@wns-fanout/source'] } } },
}

const testsOfPackages = '{apps,packages}/*/test/**/*.test.ts'
// Tests that start processes or take long have this ending.
const systemTestsOfPackages = '{apps,packages}/*/test/**/*.system.test.ts'

interface Tier {
  readonly include: string[]
  readonly exclude?: string[]
  readonly isolate?: boolean
}

function tier(name: string, { include, exclude = [], isolate = true }: Tier) {
  return {
    ...fromSource,
    root: fromRoot('.'),
    test: {
      name,
      include,
      exclude: ['**/node_modules/**', '**/dist/**', ...exclude],
      isolate,
      testTimeout: 240_000,
      hookTimeout: 120_000,
    },
  }
}

// One run covers every tier, so that its last line counts everything; test/README.md explains the tiers.
export default defineConfig({
  ...fromSource,
  root: fromRoot('.'),
  test: {
    projects: [
      // Unit tests share the modules of a process: loading them takes longer than most tests.
      tier('unit', { include: [testsOfPackages], exclude: [systemTestsOfPackages], isolate: false }),
      tier('system', {
        include: ['test/{chaos,conformance,e2e,model,pipeline}/**/*.test.ts', systemTestsOfPackages],
      }),
      tier('repo', { include: ['test/repo/**/*.test.ts'] }),
    ],
    globalSetup: [fromRoot('test/support/global-redis.ts')],
    maxWorkers: 2,
    reporters: [['default', { summary: false }], fromRoot('test/tally.ts')],
    coverage: {
      provider: 'v8',
      include: ['packages/fanout/src/**', 'apps/worker/src/**'],
      // The entry of the process only passes its environment on.
      exclude: ['apps/worker/src/main.ts'],
      reporter: ['text'],
      thresholds: { lines: 90, perFile: true },
    },
  },
})
