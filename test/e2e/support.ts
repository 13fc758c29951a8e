import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Client } from '@wns-fanout/client'
import { createClient } from '@wns-fanout/client'
import type { StackFile, TemporaryFolder } from '@wns-fanout/local'
import { isAlive, readStackFile, temporaryFolder } from '@wns-fanout/local'
import { until } from '@wns-fanout/testing'
import { request } from 'undici'

const cli = fileURLToPath(new URL('../../apps/cli/src/main.ts', import.meta.url))

export interface Running {
  readonly child: ChildProcess
  /** Everything it has written so far. */
  output(): string
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
}

// The shell of the tester may point at another installation.
const ownVariables = /^(REDIS_URL|PORT|OPS_PORT|WNS_|HTTPS_PROXY|LOG_LEVEL|DEBUG)/i

/** Starts the CLI as an operator does; the caller ends it. */
export function startCli(
  args: readonly string[],
  { cwd, env = {} }: { cwd: string; env?: Readonly<Record<string, string>> },
): Running {
  const inherited = Object.entries(process.env).filter(([name]) => !ownVariables.test(name))
  const child = spawn(process.execPath, ['--conditions=@wns-fanout/source', cli, ...args], {
    cwd,
    env: { ...Object.fromEntries(inherited), NO_COLOR: '1', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }))
  })
  return { child, output: () => text, ended }
}

export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command to its end with `input` on its stdin. */
export async function runCli(
  args: readonly string[],
  { cwd, env = {}, input = '' }: { cwd: string; env?: Readonly<Record<string, string>>; input?: string },
): Promise<Finished> {
  const { child, ended } = startCli(args, { cwd, env })
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (chunk: string) => (stdout += chunk))
  child.stderr?.on('data', (chunk: string) => (stderr += chunk))
  child.stdin?.end(input)
  const { code } = await ended
  return { code, stdout, stderr }
}

/** A whole system that `wns-fanout up --simulate` started, as an operator has it. */
export interface CliStack extends AsyncDisposable {
  readonly folder: TemporaryFolder
  readonly cli: Running
  /** stack.json as it is now. */
  now(): Promise<StackFile>
  readonly api: Client
  readonly url: string
  readonly apiKey: string
  readonly simulator: { readonly control: string }
  /** Ends it in order and leaves its folder. */
  stop(): Promise<void>
}

/** `up --simulate` in a folder of its own; when disposed it is stopped and everything of it is gone. */
export async function startCliStack(
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<CliStack> {
  const folder = await temporaryFolder('wns-fanout-e2e-')
  return await startCliStackIn(folder, args, env)
}

/** The same in a folder that may have held one before. */
export async function startCliStackIn(
  folder: TemporaryFolder,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<CliStack> {
  const running = startCli(['up', '--simulate', '--port', '0', ...args], { cwd: folder.path, env })
  const now = async (): Promise<StackFile> => await readStackFile(`${folder.path}/.wns-fanout/stack.json`)
  let stack: StackFile
  try {
    stack = await Promise.race([
      until('the stack is up', async () => await now().catch(() => undefined), 60_000),
      (async (): Promise<never> => {
        const { code } = await running.ended
        throw new Error(`up ended with ${code}:\n${running.output()}`)
      })(),
    ])
  } catch (error) {
    running.child.kill('SIGKILL')
    await folder.remove()
    throw error
  }
  const { api: url, apiKey, simulator } = stack
  if (simulator === null) throw new Error('up --simulate has no simulator')
  const api = createClient({ url, apiKey })
  return {
    folder,
    cli: running,
    now,
    api,
    url,
    apiKey,
    simulator,
    stop,
    async [Symbol.asyncDispose]() {
      await stop()
      await folder.remove()
    },
  }

  async function stop(): Promise<void> {
    await api.close()
    const pids = pidsOf(await now().catch(() => stack))
    if (running.child.exitCode === null && running.child.signalCode === null) running.child.kill('SIGTERM')
    await running.ended
    await until('no process is left', () => pids.every((pid) => !isAlive(pid)) || undefined)
  }
}

/** Every process of a stack, its main one first. */
export function pidsOf({ pids }: StackFile): readonly number[] {
  return [pids.main, pids.api, pids.redis, pids.simulator, ...pids.workers].filter((pid) => pid !== null)
}

/** JSON that one of our processes wrote; the assertions that follow look at it. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters
export function parse<T>(text: string): T {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return JSON.parse(text) as T
}

/** What a plain port of this machine answers. */
export async function getText(url: string): Promise<string> {
  const { body } = await request(url)
  return await body.text()
}
