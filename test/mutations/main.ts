/**
 * `pnpm test:mutations [text]`: puts one deliberate fault after the other (those whose name or file contains the text)
 * into a copy of the source, and runs the unit tests of the faulty file. Each fault must make one of them fail.
 */
import { basename } from 'node:path'
import { copySource } from './copy.ts'
import { type Fault, faults } from './faults.ts'
import { type Failures, runTests } from './run-tests.ts'

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** The tests that failed because an expectation does not hold, and not because they waited in vain. */
function catches(failures: Failures): Failures {
  return failures.filter(({ test, error }) => test !== 'the file' && !/timed out|waited \d+ ms in vain/.test(error))
}

async function main(text = ''): Promise<void> {
  const chosen = faults.filter(({ name, file }) => name.includes(text) || file.includes(text))
  if (chosen.length === 0) throw new Error(`no fault has "${text}" in its name or its file`)
  await using copy = await copySource()
  const broken = await runTests(copy.root, [...new Set(chosen.map(({ test }) => test))])
  if (broken.length > 0) throw new Error(`tests fail without any fault: ${broken.map(({ test }) => test).join('; ')}`)

  print('| fault | file | caught by |')
  print('| --- | --- | --- |')
  const missed: Fault[] = []
  for (const fault of chosen) {
    const failures = await copy.withReplaced(fault.file, fault.from, fault.to, () => runTests(copy.root, [fault.test]))
    const [first, ...more] = catches(failures)
    if (first === undefined) missed.push(fault)
    const others = more.length === 0 ? '' : ` (and ${more.length} more)`
    print(
      `| ${fault.name} | \`${basename(fault.file)}\` | ${first === undefined ? '**nothing**' : `${first.test}${others}`} |`,
    )
    for (const { test, error } of first === undefined ? failures : []) print(`  ${test}: ${error}`)
  }
  print(`${chosen.length - missed.length} of ${chosen.length} faults are caught`)
  if (missed.length > 0) process.exitCode = 1
}

await main(process.argv[2])
