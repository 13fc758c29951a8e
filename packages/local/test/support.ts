import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { isAlive } from '../src/index.ts'

/** The cache that all runs share, so that only the first one downloads. */
export const cacheDir = fileURLToPath(new URL('../../../.cache', import.meta.url))

export function fixture(name: string): string {
  return fileURLToPath(new URL(`fixtures/${name}`, import.meta.url))
}

/** The process group of a process. */
export function groupOf(pid: number): number {
  return Number(execFileSync('ps', ['-o', 'pgid=', '-p', String(pid)], { encoding: 'utf8' }))
}

/** Waits until the condition holds; fails after `timeoutMs`. */
export async function until(condition: () => boolean | Promise<boolean>, timeoutMs = 15_000): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs
  while (!(await condition())) {
    if (performance.now() > deadlineMs) throw new Error(`Still not so after ${timeoutMs} ms: ${condition.toString()}`)
    await wait(10)
  }
}

/** Waits until a process that is none of our children has ended; if it does not, ends it and fails. */
export async function gone(pid: number): Promise<void> {
  try {
    await until(() => !isAlive(pid))
  } catch (error) {
    process.kill(pid, 'SIGKILL')
    throw error
  }
}

/** Sends one command to a Redis (after AUTH with the password of the URL) and answers its raw reply. */
export async function askRedis(url: string, ...words: readonly string[]): Promise<string> {
  const { port, password } = new URL(url)
  return await new Promise<string>((resolve, reject) => {
    let reply = ''
    const socket = connect({ host: '127.0.0.1', port: Number(port) })
    socket.setTimeout(5000, () => socket.destroy(new Error('Redis did not answer')))
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      reply += chunk
    })
    socket.once('error', reject)
    socket.once('close', () =>
      resolve(
        reply
          .replace(/^\+OK\r\n/, '')
          .replace(/\+OK\r\n$/, '')
          .trimEnd(),
      ),
    )
    socket.write([['AUTH', password], words, ['QUIT']].map(command).join(''))
  })
}

function command(words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`
}

export interface Script {
  readonly process: ChildProcess
  firstLine(): Promise<unknown>
}

/** Runs a fixture as a process of its own; the test must end it. */
export function runFixture(name: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): Script {
  const child = spawn(process.execPath, ['--conditions=@wns-fanout/source', fixture(name), ...args], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const first = (async (): Promise<unknown> => {
    for await (const line of createInterface({ input: child.stdout })) return JSON.parse(line)
    throw new Error(`${name} ended without a line`)
  })()
  first.catch(() => {})
  return { process: child, firstLine: () => first }
}

/** The pid that the first line of a fixture tells. */
export async function pidOf(script: Script): Promise<number> {
  const line = await script.firstLine()
  if (typeof line === 'object' && line !== null && 'pid' in line) return Number(line.pid)
  throw new Error(`No pid in ${JSON.stringify(line)}`)
}
