import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type TemporaryFolder, temporaryFolder } from '../src/index.ts'
import { type Guarded, dieWithParent } from '../src/die-with-parent.ts'

let folder: TemporaryFolder
const running: ChildProcess[] = []
beforeEach(async () => {
  folder = await temporaryFolder()
})
afterEach(async () => {
  for (const child of running.splice(0)) child.kill('SIGKILL')
  await folder.remove()
})

function start(guarded: Guarded): ChildProcess {
  const child = spawn(guarded.command, guarded.args, { stdio: 'ignore' })
  running.push(child)
  guarded.watch(child)
  return child
}

async function writeSetpriv(help: string): Promise<void> {
  await writeFile(join(folder.path, 'setpriv'), `#!/bin/sh\n[ "$1" = --help ] && echo "${help}" && exit 0\nexit 9\n`)
  await chmod(join(folder.path, 'setpriv'), 0o755)
}

function write(file: string, text: string): [string, string[]] {
  return [process.execPath, ['--eval', 'require("fs").writeFileSync(process.argv[1], process.argv[2])', file, text]]
}

test.each(['', 'as the machine does it'])('a program gets its arguments unchanged (%s)', async (how) => {
  const file = join(folder.path, 'out')
  const text = `it's "quoted" $HOME \\ *`
  const child = start(dieWithParent(...write(file, text), how === '' ? { path: '' } : {}))
  expect(await once(child, 'exit')).toEqual([0, null])
  expect(await readFile(file, 'utf8')).toBe(text)
})

test('a setpriv without the option is not used', async () => {
  await writeSetpriv('Usage: setpriv [OPTIONS] PROG ARGS (busybox)')
  expect(dieWithParent('redis-server', ['-'], { path: folder.path })).toMatchObject({
    command: 'redis-server',
    args: ['-'],
  })
})

// Elsewhere the watchdog starts after the program, and notices at once.
test('on Linux a program whose parent has already ended does not start', async () => {
  const file = join(folder.path, 'out')
  const child = start(dieWithParent(...write(file, 'started'), { parentPid: 1 }))
  expect(await once(child, 'exit')).toEqual([process.platform === 'linux' ? 1 : 0, null])
  expect(existsSync(file)).toBe(process.platform !== 'linux')
})
