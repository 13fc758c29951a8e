import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Simulator } from '@wns-fanout/wns-simulator'
import { startSimulator } from '@wns-fanout/wns-simulator'
import { request } from 'undici'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { simulatorStats } from '../support/simulator.ts'

// Two npm clients that share no code with ours or with the simulator. They were written against the real WNS, so their
// idea of success and failure is evidence of how the simulator must answer.

const SID = 'S-1-15-2-1111-2222-3333'
function channel(token: string): string {
  return `https://db5.notify.windows.com/?token=${token}`
}

interface Job {
  readonly name: string
  readonly client: 'wns' | 'node-pushnotifications'
  readonly method: string
  readonly channel?: string
  readonly channels?: readonly string[]
  readonly args?: readonly unknown[]
  readonly data?: unknown
  readonly options?: object
  readonly faults?: object
  /** The result that the client returns. */
  readonly reported: object
  /** Posts that the simulator accepted on the channels of this job. */
  readonly accepted: number
}

const delivered = { ok: true, statusCode: 200, hasNewToken: true }

// As many texts and images as any template takes.
const numbers = Array.from({ length: 11 }, (_, index) => index + 1)
const everything = Object.fromEntries(
  numbers.flatMap((n) => [
    [`text${n}`, `Text ${n}: <Привет> & "👋"`],
    [`image${n}src`, `http://example.com/${n}.png`],
    [`image${n}alt`, `Image ${n}`],
  ]),
)

const templates = Object.keys(createRequire(import.meta.url)('wns') as object).filter((name) =>
  /^send(?:Tile|Toast)[A-Z]/.test(name),
)

function wnsJob(name: string, method: string, args: readonly unknown[], more: Partial<Job> = {}): Job {
  return {
    name: `wns: ${name}`,
    client: 'wns',
    method,
    channel: channel(`ok.${SID}.wns-${name.replaceAll(/\W/g, '-')}`),
    args,
    reported: delivered,
    accepted: 1,
    ...more,
  }
}

function refusedJob(behaviour: string, statusCode: number, message: RegExp): Job {
  return wnsJob(`${behaviour} is a failure with status ${statusCode}`, 'sendToastText01', [{ text1: 'x' }], {
    channel: channel(`${behaviour}.any.wns-refused`),
    reported: { ok: false, statusCode, message: expect.stringMatching(message) as string },
    accepted: 0,
  })
}

function pushJob(method: string, data: unknown, more: Partial<Job> = {}): Job {
  return {
    name: `node-pushnotifications: ${method}`,
    client: 'node-pushnotifications',
    method,
    channels: [1, 2, 3].map((n) => channel(`ok.any.push-${method}-${n}`)),
    data,
    reported: { success: 3, failure: 0, messages: [null, null, null] },
    accepted: 3,
    ...more,
  }
}

const jobs: readonly Job[] = [
  ...templates.map((method) => wnsJob(method, method, [everything])),
  wnsJob('sendTile with two bindings', 'sendTile', [
    { type: 'TileSquareText04', text1: 'small' },
    { type: 'TileWideText03', text1: 'wide' },
  ]),
  wnsJob('sendToast', 'sendToast', [{ type: 'ToastText01', text1: 'Hello' }]),
  wnsJob('sendBadge with a number', 'sendBadge', [42]),
  wnsJob('sendBadge with a glyph', 'sendBadge', ['newMessage']),
  wnsJob('sendRaw', 'sendRaw', [JSON.stringify({ foo: 'Привет 👋' })]),
  wnsJob('send with headers of its own', 'send', ['<toast/>', 'wns/toast'], {
    options: { headers: { 'X-WNS-Tag': 'a1', 'X-WNS-TTL': '60', 'X-WNS-Cache-Policy': 'cache' } },
  }),
  wnsJob('a token that ended is replaced once', 'sendToastText01', [{ text1: 'x' }], {
    options: { accessToken: 'a-token-of-yesterday' },
  }),
  refusedJob('badheader', 400, /headers/),
  refusedJob('forbidden', 403, /not authorized/),
  refusedJob('unknown', 404, /not recognized/),
  refusedJob('gone', 410, /expired/),
  refusedJob('error', 500, /internal failure/),
  refusedJob('unavailable', 503, /currently unavailable/),
  refusedJob('dropped', 200, /notificationstatus value of dropped/),
  refusedJob('throttled', 200, /notificationstatus value of channelthrottled/),
  wnsJob('too large a payload is a failure with status 413', 'sendRaw', ['x'.repeat(5001)], {
    reported: { ok: false, statusCode: 413, message: expect.stringContaining('5000 byte') as string },
    accepted: 0,
  }),
  wnsJob('a secret that is refused is a failure with status 400', 'sendToastText01', [{ text1: 'x' }], {
    options: { client_secret: 'bad-secret' },
    reported: { ok: false, statusCode: 400, message: expect.stringContaining('invalid_client') as string },
    accepted: 0,
  }),
  wnsJob('an identity that is served no more is a failure with status 400', 'sendToastText01', [{ text1: 'x' }], {
    faults: { token: { mode: 'refuse' } },
    reported: { ok: false, statusCode: 400, message: expect.stringContaining('no longer supported') as string },
    accepted: 0,
  }),
  wnsJob('406 is a failure', 'sendToastText01', [{ text1: 'x' }], {
    faults: { rateCap: { perSecond: 0, retryAfter: 900 } },
    reported: { ok: false, statusCode: 406, message: expect.stringContaining('throttle') as string },
    accepted: 0,
  }),
  // It reads the older name only: the reason why the simulator, as WNS, sends both.
  wnsJob('without the older status header a success looks like a failure', 'sendToastText01', [{ text1: 'x' }], {
    faults: { statusHeader: 'X-WNS-STATUS' },
    reported: { ok: false, statusCode: 200, message: expect.stringContaining('value of undefined') as string },
    accepted: 1,
  }),
  wnsJob('the older status header alone is enough', 'sendToastText02', [everything], {
    faults: { statusHeader: 'X-WNS-NOTIFICATIONSTATUS' },
  }),

  pushJob('sendTileSquareBlock', { text1: '31', text2: 'Привет' }),
  pushJob('sendTileWideText03', everything),
  pushJob('sendToastText02', { text1: 'Title', text2: 'Text 👋' }),
  pushJob('sendToastImageAndText04', everything),
  pushJob('sendBadge', { value: 7 }),
  pushJob('sendRaw', { title: 'Привет 👋', custom: { a: 1 } }),
  pushJob(
    'sendToastText01',
    { text1: 'x' },
    {
      name: 'node-pushnotifications: two of three channels are gone',
      channels: ['gone.any.push-1', 'ok.any.push-alive', 'gone.any.push-2'].map(channel),
      reported: {
        success: 1,
        failure: 2,
        messages: expect.arrayContaining([null, 'The channel expired.', 'The channel expired.']) as unknown[],
      },
      accepted: 1,
    },
  ),
]

interface PostLine {
  readonly token: string
  readonly accepted: number
  readonly client: string | null
}

function tokensOf(job: Job): string[] {
  return [job.channel ?? [], job.channels ?? []].flat().map((uri) => uri.slice(uri.indexOf('=') + 1))
}

describe('clients that others wrote', () => {
  let simulator: Simulator
  let folder: string
  let reported: unknown[]
  let posts: Map<string, PostLine>

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'wns-conformance-'))
    simulator = await startSimulator({ caFile: join(folder, 'ca.pem') })
    reported = await run(simulator, jobs)
    const { body } = await request(`${simulator.control}/v1/posts`)
    const lines = (await body.text()).split('\n').filter((line) => line !== '')
    posts = new Map(lines.map((line) => JSON.parse(line) as PostLine).map((line) => [line.token, line]))
  })
  afterAll(async () => {
    await simulator.stop()
    await rm(folder, { recursive: true })
  })

  test.for(jobs.map((job, index) => ({ ...job, index })))('$name', (job) => {
    expect(reported[job.index]).toMatchObject(job.reported)
    const seen = tokensOf(job).flatMap((token) => posts.get(token) ?? [])
    expect(seen.reduce((sum, { accepted }) => sum + accepted, 0)).toBe(job.accepted)
    expect(seen.every(({ client }) => client === SID)).toBe(true)
  })

  test('make no mistake that the simulator counts', async () => {
    expect(await simulatorStats({ simulator })).toMatchObject({
      duplicates: 0,
      chunked: 0,
      pipelined: 0,
      wrongLength: 0,
      badRequest: 0,
      wrongApp: 0,
      http2Attempts: 0,
    })
  })
})

function script(name: string): string {
  return fileURLToPath(new URL(`support/${name}`, import.meta.url))
}

/** The results that the clients returned for each job, in order. */
async function run({ host, port, caFile, control }: Simulator, work: readonly Job[]): Promise<unknown[]> {
  const child = spawn(process.execPath, ['--require', script('route.cjs'), script('clients.cjs')], {
    env: {
      ROUTE_TO: `${host}:${port}`,
      NODE_EXTRA_CA_CERTS: caFile,
      CONTROL: control,
      CLIENT_ID: `ms-app://${SID}`,
      CLIENT_SECRET: 'a secret & more',
    },
    timeout: 30_000,
    killSignal: 'SIGKILL',
  })
  let output = ''
  let complaints = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text))
  child.stdin.end(JSON.stringify(work))
  const exitCode = await new Promise((resolve) => child.once('close', resolve))
  if (exitCode !== 0) throw new Error(`the clients ended with ${String(exitCode)}: ${complaints}`)
  return output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown)
}
