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
// Tests that start processes of their own have this ending.
const testsWithProcesses = '{apps,packages}/*/test/**/*.system.test.ts'

function project(name: string, include: string[], exclude: string[] = []) {
  return {
    ...fromSource,
    root: fromRoot('.'),
    test: {
      name,
      include,
      exclude: ['**/node_modules/**', '**/dist/**', ...exclude],
      testTimeout: 60_000,
      hookTimeout: 60_000,
      isolate: process.env['ISO'] !== '0',
    },
  }
}

// One run covers every tier, so that its last line counts everything; test/README.md explains the tiers.
export default defineConfig({
  ...fromSource,
  root: fromRoot('.'),
  test: {
    projects: [
      project('unit', [testsOfPackages], [testsWithProcesses]),
      project('system', ['test/{chaos,conformance,cron,e2e,model,pipeline}/**/*.test.ts', testsWithProcesses]),
      project('repo', ['test/repo/**/*.test.ts']),
    ],
    globalSetup: [fromRoot('test/support/global-redis.ts')],
    maxWorkers: 2,
    reporters: [['default', { summary: false }], fromRoot('test/tally.ts')],
    coverage: {
      provider: 'v8',
      include: ['packages/fanout/src/**', 'apps/worker/src/**'],
      reporter: ['text'],
    },
  },
})
