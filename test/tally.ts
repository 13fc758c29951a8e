import type { Reporter, TestModule } from 'vitest/node'

/** Prints `N passed, N failed, N skipped` as the last line of a run. A module that fails to load counts as failed. */
export default class Tally implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const count = { passed: 0, failed: 0, skipped: 0, pending: 0 }
    for (const module of modules) {
      const before = count.failed
      for (const test of module.children.allTests()) count[test.result().state] += 1
      if (module.state() === 'failed' && count.failed === before) count.failed += 1
    }
    // After the default reporter's own summary, which is written in the same hook.
    setImmediate(() =>
      process.stdout.write(
        `${count.passed} passed, ${count.failed} failed, ${count.skipped + count.pending} skipped\n`,
      ),
    )
  }
}
