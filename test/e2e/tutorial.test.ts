import { spawn } from 'node:child_process'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { CliStack } from './support.ts'
import { startCliStack } from './support.ts'

// The tutorial, as its reader types it: the files it shows, and its commands in one shell session.

const page = fileURLToPath(new URL('../../docs/tutorial.md', import.meta.url))
const main = fileURLToPath(new URL('../../apps/cli/src/main.ts', import.meta.url))

let stack: CliStack
beforeAll(async () => {
  stack = await startCliStack(['--workers', '1'])
})
afterAll(async () => {
  await stack[Symbol.asyncDispose]()
})

/** The blocks of the page, in order: a shell block has commands, one with a file name is that file. */
async function blocks(): Promise<
  readonly { readonly language: string; readonly file: string; readonly text: string }[]
> {
  const text = await readFile(page, 'utf8')
  return [...text.matchAll(/^```(\w+)(?: (\S+))?\n([\s\S]*?)^```$/gm)].map(
    ([, language = '', file = '', block = '']) => ({
      language,
      file,
      text: block,
    }),
  )
}

/** Puts `wns-fanout` on the path of the shell. */
async function command(folder: string): Promise<string> {
  const bin = join(folder, 'bin')
  await mkdir(bin)
  await writeFile(
    join(bin, 'wns-fanout'),
    `#!/bin/sh\nexec "${process.execPath}" --conditions=@wns-fanout/source "${main}" "$@"\n`,
  )
  await chmod(join(bin, 'wns-fanout'), 0o755)
  return bin
}

async function shell(script: string): Promise<{ readonly code: number | null; readonly output: string }> {
  const cwd = stack.folder.path
  const path = [await command(cwd), dirname(process.execPath), process.env['PATH'] ?? ''].join(':')
  const env = { PATH: path, HOME: cwd, NO_COLOR: '1' }
  const child = spawn('bash', ['-euo', 'pipefail'], { cwd, env, stdio: ['pipe', 'pipe', 'pipe'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text))
  child.stdin.end(script)
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, output }
}

test('every command of the tutorial works, in its order', async () => {
  const found = await blocks()
  for (const { file, text } of found) if (file !== '') await writeFile(join(stack.folder.path, file), text)
  // A mark before each block, so that an assertion names the one that it is about.
  const scripts = found.filter(({ language, file }) => language === 'sh' && file === '')
  const { code, output } = await shell(scripts.map(({ text }, at) => `echo "#${at + 1}"\n${text}`).join('\n'))
  const of = (at: number): string => output.split(new RegExp(`^#${at}$`, 'm'))[1]?.split(/^#\d+$/m)[0] ?? ''
  expect(code, output.slice(-3000)).toBe(0)

  expect(of(2)).toContain('São Paulo → sao-paulo')
  expect(of(2)).toMatch(/^2$/m)
  expect(of(3)).toContain('0 18 * * *')
  expect(of(4)).toContain('Good morning São Paulo')
  expect(of(5)).toContain('22:00 to 06:00, device')
  // One device first, then the others, one of which is gone.
  expect(of(6)).toMatch(/accepted\s+6/)
  expect(of(6)).toMatch(/dead\s+1/)
  expect(of(7)).toMatch(/old-pc,dead,410/)
  expect(of(9)).toContain('halted')
  expect(of(9)).toContain('campaign.halted')
  expect(of(11)).toContain('storm')
  const backup = (await readFile(join(stack.folder.path, 'backup.ndjson'), 'utf8')).trim().split('\n')
  const devices = backup.map((line) => JSON.parse(line) as Record<string, unknown>)
  expect(devices.map(({ channel }) => channel)).toEqual(['lisa-pc', 'ana-pc', 'rui-pc', 'ken-pc', 'joe-pc'])
  expect(devices[0]).toMatchObject({ timeZone: 'Europe/Zurich', locale: 'de', optedOutOf: ['storm'] })
  expect(devices[1]).toMatchObject({ uri: expect.stringContaining('ana-pc-2'), tags: ['sao-paulo'], locale: 'pt-BR' })
  expect(await stack.api.apps().next()).toMatchObject({ done: true })
})
