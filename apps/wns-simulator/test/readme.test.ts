import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { behaviorNames, type BehaviorName } from '../src/behaviors.ts'
import { headerChecks } from '../src/checks.ts'
import { evidence } from '../src/evidence.ts'
import { faultNames } from '../src/faults.ts'
import { checkNames } from '../src/wns.ts'
import { setup } from './sender.ts'

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')

/** The cells of the table with this first heading, without its head. */
function tableUnder(heading: string): string[][] {
  const lines = readme.split('\n')
  const head = lines.findIndex((line) => cellsOf(line)[0] === heading)
  const end = lines.indexOf('', head)
  return lines.slice(head + 2, end).map(cellsOf)
}

function cellsOf(line: string): string[] {
  return line.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, '').trim())
}

test('the table of behaviors is the one in the code', () => {
  const fromCode = behaviorNames.map((name) => {
    const { answer, note, source } = evidence[name]
    return [`\`${name}\``, answer, note, source]
  })
  expect(tableUnder('behavior')).toEqual(fromCode)
})

// `stall` never answers; its own test checks the connection.
test.for(Object.entries(evidence).filter(([name]) => name !== 'stall'))(
  '%s answers as in the table',
  async ([name, { answer }]) => {
    const sender = await setup()
    const parameter = { slow: '-1', drip: '-16', flaky: '-100' }[name] ?? ''
    if (answer === '-') {
      await expect(sender.post(`${name}.any.1`)).rejects.toThrow(/socket hang up|ECONNRESET|aborted/)
      return
    }
    const { status, headers } = await sender.post(`${name as BehaviorName}${parameter}.any.1`)
    expect(`${status} ${String(headers['x-wns-status'])}`).toBe(answer)
    expect(headers['x-wns-notificationstatus']).toBe(headers['x-wns-status'])
  },
)

test('the control port shows the same table', async () => {
  const sender = await setup()
  expect(JSON.parse((await sender.control('GET', '/v1/behaviors')).text)).toEqual(evidence)
})

test('the table of checks has the order of the code', () => {
  expect(tableUnder('check').map(([name]) => name)).toEqual(['length', 'method', ...checkNames])
})

test('the table of faults names every fault', () => {
  const named = tableUnder('fault').map(([name = '']) => /^`(\w+)/.exec(name)?.[1])
  expect(new Set(named)).toEqual(new Set(faultNames))
  expect(named.length).toBe(faultNames.length)
})

test('every text that was seen on the wire is quoted with its source, and every source is explained', () => {
  for (const { description, seen } of headerChecks.filter((check) => check.seen !== undefined)) {
    expect(readme).toContain(description)
    expect(readme).toContain(seen)
  }
  const [, keys = ''] = readme.split('\nThe keys: ')
  const used = new Set([...readme.matchAll(/\[([A-Z]+(?:-[A-Z0-9]+)?)\]/g)].map(([, key = '']) => key))
  const unexplained = [...used].filter((key) => {
    return !keys.replaceAll('\n', ' ').includes(key.startsWith('O-') ? ` ${key.slice(2)} ` : `[${key}]`)
  })
  expect(unexplained).toEqual([])
})
