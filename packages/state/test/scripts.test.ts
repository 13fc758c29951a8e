import { readdirSync, readFileSync } from 'node:fs'
import { batchFields, campaignFields, loadScript } from '@wns-fanout/state'
import { expect, test } from 'vitest'
import { setup } from './support.ts'

const folder = new URL('../lua/', import.meta.url)

function luaFiles(): { readonly file: string; readonly lua: string }[] {
  return readdirSync(folder, { recursive: true })
    .map(String)
    .filter((file) => /(^|\/)(ledger|campaign)-.*\.lua$|^lib\/(checks|closing|halts|stamps)\.lua$/.test(file))
    .map((file) => ({ file, lua: readFileSync(new URL(file, folder), 'utf8') }))
}

/** The field names in the arguments of calls that begin with `call`. */
function fieldsIn(lua: string, call: RegExp): string[] {
  return [...lua.matchAll(call)].flatMap(([, args = '']) =>
    [...args.matchAll(/'([A-Za-z][\w:]*)'/g)].map(([, name = '']) => name),
  )
}

test('scripts read and write only campaign fields that keys.ts lists', () => {
  const found = luaFiles().flatMap(({ lua }) => [
    ...fieldsIn(lua, /fields\(campaign,([^)]*)\)/g),
    ...fieldsIn(lua, /'(?:HGET|HDEL|HINCRBY|HSETNX)', campaign, ('[^']*')/g),
    ...[...lua.matchAll(/'HSET', campaign,((?:[^()]|\([^()]*\))*)\)/g)].flatMap(([, args = '']) =>
      args.split(',').flatMap((arg, at) => (at % 2 === 0 ? [...fieldsIn(arg, /^(\s*'[^']*'\s*)$/g)] : [])),
    ),
  ])
  const known = new Set<string>(Object.keys(campaignFields))
  expect(found.length).toBeGreaterThan(60)
  expect(found.filter((name) => !known.has(name) && !/^(total|uncounted):/.test(name))).toEqual([])
  const all = luaFiles()
    .map(({ lua }) => lua)
    .join('')
  expect([...known].filter((name) => !all.includes(`'${name}'`) && name !== 'canary')).toEqual([])
})

test('scripts read and write only batch fields that keys.ts lists', () => {
  const found = luaFiles().flatMap(({ lua }) => [
    ...fieldsIn(lua, /fields\(key,([^)]*)\)/g),
    ...fieldsIn(lua, /BATCH_TRANSIENT = \{([^}]*)\}/g),
    ...fieldsIn(lua, /'(?:HGET|HDEL|HINCRBY|HSET|HEXISTS)', (?:key|batch), ('[^']*')/g),
  ])
  expect(found.length).toBeGreaterThan(40)
  expect([...new Set(found)].toSorted()).toEqual(Object.keys(batchFields).toSorted())
})

test('closing a batch removes the fields that only an unclosed batch has', () => {
  const closing = readFileSync(new URL('lib/closing.lua', folder), 'utf8')
  const names = Object.keys(batchFields)
  expect(fieldsIn(closing, /BATCH_TRANSIENT = \{([^}]*)\}/g).toSorted()).toEqual(
    names.slice(names.indexOf('state')).toSorted(),
  )
})

test('a script consists of the files that its head names, each once, and itself', () => {
  const { lua } = loadScript('ledger-checkpoint')
  const heads = ['lib/read', 'lib/codes', 'lib/pages', 'lib/window', 'lib/checks', 'lib/stamps', 'lib/closing'].map(
    (file) =>
      readFileSync(new URL(`${file}.lua`, folder), 'utf8')
        .split('\n')
        .slice(0, 2)
        .join('\n'),
  )
  expect(heads.map((head) => lua.split(head).length - 1)).toEqual(heads.map(() => 1))
  expect(lua.endsWith(readFileSync(new URL('ledger-checkpoint.lua', folder), 'utf8'))).toBe(true)
})

test('the error of a script names the file and line of the script', async () => {
  const { redis, keys } = setup()
  const script = loadScript('ledger-plan')
  const lines = readFileSync(new URL('ledger-plan.lua', folder), 'utf8').split('\n')
  const line = lines.findIndex((text) => text.includes("string.match(ARGV[a], '^%d+,%d+,(%d+),')")) + 1
  const campaign = keys.campaign('news', 'c1')
  const sending = { version: 1, state: 'sending', expiresAt: 9e12, cursor: 0, planned: 0, closed: 0, audienceSize: 1 }
  await redis.hset(campaign, sending)
  await expect(script.run(redis, [keys.base('news'), campaign], [0, 1, '1', 'no range'])).rejects.toThrow(
    `ledger-plan.lua:${line}: `,
  )
})
