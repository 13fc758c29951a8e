import { execFileSync } from 'node:child_process'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import { until } from '@wns-fanout/testing'
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

/** Waits until a process, which need not be a child, has ended. If it does not end, it is killed and the wait fails. */
export async function gone(pid: number): Promise<void> {
  try {
    await until(() => !isAlive(pid), 15_000)
  } catch (error) {
    process.kill(pid, 'SIGKILL')
    throw error
  }
}

/** Sends one command to a Redis, after AUTH with the password of the URL, and returns the raw reply. */
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
