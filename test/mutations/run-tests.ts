import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'

/** A test that waits in vain does not catch a fault: it fails late, and elsewhere than the fault is. */
const TEST_TIMEOUT_MS = 20_000
const RUN_TIMEOUT_MS = 120_000

/** What failed: names of tests, each with the first line of its error. Empty if all tests passed. */
export type Failures = readonly { readonly test: string; readonly error: string }[]

interface Report {
  readonly testResults: readonly {
    readonly message?: string
    readonly assertionResults: readonly {
      readonly fullName: string
      readonly status: string
      readonly failureMessages?: readonly string[]
    }[]
  }[]
}

/** Runs unit test files of a copy. Rejects if the run does not end, or writes no report. */
export async function runTests(root: string, files: readonly string[]): Promise<Failures> {
  const reportFile = join(root, 'mutation-report.json')
  await rm(reportFile, { force: true })
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  const options = ['--project', 'unit', '--reporter=json', `--outputFile=${reportFile}`]
  const child = spawn(
    process.execPath,
    [vitest, 'run', '--config', 'test/vitest.config.ts', ...options, `--testTimeout=${TEST_TIMEOUT_MS}`, ...files],
    { cwd: root, stdio: 'ignore' },
  )
  const timer = setTimeout(() => child.kill('SIGTERM'), RUN_TIMEOUT_MS)
  await once(child, 'exit')
  clearTimeout(timer)
  const report = JSON.parse(await readFile(reportFile, 'utf8')) as Report
  return report.testResults.flatMap(({ message, assertionResults }) => {
    const failed = assertionResults.filter(({ status }) => status === 'failed')
    if (failed.length === 0 && message !== undefined && message !== '') return [{ test: 'the file', error: message }]
    return failed.map(({ fullName, failureMessages }) => ({
      test: fullName.trim(),
      error: (failureMessages?.[0] ?? '').split('\n', 1)[0] ?? '',
    }))
  })
}
