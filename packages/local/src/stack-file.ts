import { randomBytes } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isAlive } from './processes.ts'

/** The content of `.wns-fanout/stack.json`, which describes a running stack. Absent parts are null. */
export interface StackFile {
  /** Base URL of the API. */
  readonly api: string
  readonly apiKey: string
  readonly ops: { readonly api: string; readonly workers: readonly string[] }
  /** REDIS_URL of the stack. */
  readonly redis: string
  readonly pids: {
    readonly main: number
    readonly api: number | null
    readonly workers: readonly number[]
    readonly redis: number | null
    readonly simulator: number | null
  }
  readonly simulator: {
    readonly host: string
    readonly port: number
    readonly caFile: string
    /** Base URL of the control port. */
    readonly control: string
  } | null
}

export class StackFileError extends Error {
  override readonly name = 'StackFileError'
  readonly code: 'stack-missing' | 'stack-invalid' | 'stack-stale'

  constructor(code: StackFileError['code'], message: string) {
    super(message)
    this.code = code
  }
}

/** Writes the file (mode 0600, since it contains a key) by rename, so that a reader never sees half of it. */
export async function writeStackFile(path: string, stack: StackFile): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const draft = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`
  try {
    await writeFile(draft, `${JSON.stringify(stack, null, 2)}\n`, { mode: 0o600, flag: 'wx' })
    await rename(draft, path)
  } finally {
    await rm(draft, { force: true })
  }
}

/** The running stack of the file. Throws `StackFileError` when the file is missing, damaged or of an ended stack. */
export async function readStackFile(path: string): Promise<StackFile> {
  const stack = parseStackFile(await readText(path), path)
  if (isAlive(stack.pids.main)) return stack
  throw new StackFileError(
    'stack-stale',
    `${path} belongs to a stack that has ended (process ${stack.pids.main}); start one with "pnpm start"`,
  )
}

/** Removes the file if it exists. */
export async function removeStackFile(path: string): Promise<void> {
  await rm(path, { force: true })
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      throw new StackFileError(
        'stack-missing',
        `no stack runs here (${path} does not exist); start one with "pnpm start"`,
      )
    }
    throw error
  }
}

function parseStackFile(text: string, path: string): StackFile {
  const wrong = (what: string): never => {
    throw new StackFileError('stack-invalid', `${path} is damaged: ${what}; remove it and run "pnpm start"`)
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return wrong('it is not JSON')
  }
  const problem = firstProblem(value)
  if (problem !== undefined) return wrong(problem)
  // firstProblem has checked every field.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return value as StackFile
}

type Check = (value: unknown) => boolean

const isText: Check = (value) => typeof value === 'string' && value !== ''
const isUrl: Check = (value) => typeof value === 'string' && URL.canParse(value)
const isPid: Check = (value) => Number.isSafeInteger(value) && Number(value) > 0
const isPort: Check = (value) => Number.isInteger(value) && Number(value) > 0 && Number(value) < 65_536
function orNull(check: Check): Check {
  return (value) => value === null || check(value)
}
function listOf(check: Check): Check {
  return (value) => Array.isArray(value) && value.every(check)
}

const wanted: readonly (readonly [path: string, wanted: string, check: Check])[] = [
  ['api', 'a URL', isUrl],
  ['apiKey', 'a text', isText],
  ['ops.api', 'a URL', isUrl],
  ['ops.workers', 'a list of URLs', listOf(isUrl)],
  ['redis', 'a text', isText],
  ['pids.main', 'a process id', isPid],
  ['pids.api', 'a process id or null', orNull(isPid)],
  ['pids.workers', 'a list of process ids', listOf(isPid)],
  ['pids.redis', 'a process id or null', orNull(isPid)],
  ['pids.simulator', 'a process id or null', orNull(isPid)],
]

const wantedOfSimulator: typeof wanted = [
  ['simulator.host', 'a text', isText],
  ['simulator.port', 'a port', isPort],
  ['simulator.caFile', 'a path', isText],
  ['simulator.control', 'a URL', isUrl],
]

// Values are not shown, because one of them is a key.
function firstProblem(value: unknown): string | undefined {
  const checks = at(value, 'simulator') === null ? wanted : [...wanted, ...wantedOfSimulator]
  const failed = checks.find(([path, , check]) => !check(at(value, path)))
  return failed && `${failed[0]} must be ${failed[1]}; found ${kindOf(at(value, failed[0]))}`
}

function at(value: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>(
      (part, name) => (typeof part === 'object' && part !== null ? Reflect.get(part, name) : undefined),
      value,
    )
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  return Array.isArray(value) ? 'another list' : `another ${typeof value}`
}
