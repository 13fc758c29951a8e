import { createHash } from 'node:crypto'
import { UsageError } from '../failure.ts'
import type { FilterOptions } from './audience.ts'
import { filtersOf } from './audience.ts'
import { channelIds } from './channel-ids.ts'
import { readJson, readText } from './read.ts'

/** The options of `send` as they come from the command line. */
export interface SendOptions extends FilterOptions {
  readonly name?: string
  readonly toast?: string
  readonly line?: readonly string[]
  readonly image?: string
  readonly launch?: string
  readonly tile?: string
  readonly badge?: string
  readonly raw?: string
  readonly xmlFile?: string
  readonly type?: string
  readonly notificationFile?: string
  readonly template?: string
  readonly ttl?: number
  readonly wnsTag?: string
  readonly wnsGroup?: string
  readonly all?: boolean
  readonly tags?: string
  readonly list?: string
  readonly channel?: readonly string[]
  readonly channelsFile?: string
  readonly failedOf?: string
  readonly restOf?: string
  readonly update?: string
  readonly topic?: string
  readonly overLimit?: string
  readonly delivery?: string
  readonly startAt?: string
  readonly expiresAt?: string
  readonly localTime?: string
  readonly localDate?: string
  readonly localTimePassed?: string
  readonly defaultTimeZone?: string
  readonly window?: string
  readonly windowZone?: string
  readonly ignoreQuietHours?: true
  readonly pace?: number
  readonly canary?: number
  readonly canaryShare?: number
  readonly canaryApprove?: true
  readonly canaryFailing?: readonly string[]
  readonly maxFailureShare?: number
  readonly maxDeadShare?: number
  readonly deadReason?: string
  readonly priority?: string
  readonly dryRun?: true
  readonly allowEmpty?: true
  readonly confirm?: string
  readonly missing?: string
  readonly fallback?: readonly string[]
  readonly valuesByTag?: string
}

/** Maximum number of channels that a request may list; more go through an uploaded list. */
const MAX_LISTED = 10_000
/** Longer files must be uploaded with `lists put`, which streams them. */
const MAX_IN_MEMORY = 1_000_000

export interface SendPlan {
  /** The body of the request; the API validates it and reports all problems at once. */
  readonly request: Readonly<Record<string, unknown>>
  /** A list to upload first, when the audience is too long for the request. */
  readonly upload?: { readonly list: string; readonly channels: readonly string[] }
}

/** Builds the request of a campaign from options and the files they name. Throws `UsageError`. */
export async function planSend(options: SendOptions): Promise<SendPlan> {
  const notification = await notificationOf(options)
  const { template } = options
  const { audience, upload } = await audienceOf(options)
  const request = withoutAbsent({
    name: options.name,
    ...(template === undefined ? { notification } : { template: templateAlone(template, notification) }),
    audience,
    missing: options.missing,
    fallbacks: fallbacksOf(options),
    valuesByTag: options.valuesByTag === undefined ? undefined : await readJson(options.valuesByTag),
    update: options.update,
    topic: options.topic,
    overLimit: options.overLimit,
    delivery: options.delivery,
    startAt: options.startAt,
    expiresAt: options.expiresAt,
    localTime: options.localTime,
    localDate: options.localDate,
    localTimePassed: options.localTimePassed,
    defaultTimeZone: options.defaultTimeZone,
    sendWindow: hoursOf('--window', options.window, options.windowZone),
    ignoreQuietHours: options.ignoreQuietHours,
    pace: options.pace === undefined ? undefined : { overSeconds: options.pace },
    canary: canaryOf(options),
    maxFailureShare: options.maxFailureShare,
    maxDeadShare: maxDeadShareOf(options),
    priority: options.priority,
    dryRun: options.dryRun,
    allowEmpty: options.allowEmpty,
    confirm: options.confirm,
  })
  return upload === undefined ? { request } : { request, upload }
}

/** Daily hours such as `08:00-20:00`; without a zone those of each device. The API judges the times and the zone. */
export function hoursOf(option: string, text: string | undefined, zone: string | undefined): object | undefined {
  if (text === undefined) {
    if (zone !== undefined) throw new UsageError(`${option}-zone needs ${option} <from-to>, such as 08:00-20:00`)
    return undefined
  }
  const [from, to, ...more] = text.split('-')
  if (to === undefined || more.length > 0)
    throw new UsageError(`${option} must be two times of day such as 08:00-20:00; found "${text}"`)
  return { from, to, zone: zone ?? 'device' }
}

/** A template has its own headers. */
function templateAlone(template: string, notification: object): string {
  if (Object.keys(notification).length === 0) return template
  throw new UsageError('--template cannot be combined with options of the notification; put them into the template')
}

function fallbacksOf({ fallback }: SendOptions): Readonly<Record<string, string>> | undefined {
  if (fallback === undefined) return undefined
  const pairs = fallback.map((pair) => {
    const at = pair.indexOf('=')
    if (at < 1) throw new UsageError(`--fallback must be variable=text; found "${pair}"`)
    return [pair.slice(0, at), pair.slice(at + 1)] as const
  })
  return Object.fromEntries(pairs)
}

/** Both options belong together: the decision is logged with its reason. */
function maxDeadShareOf({ maxDeadShare, deadReason }: SendOptions): object | undefined {
  if (maxDeadShare === undefined && deadReason === undefined) return undefined
  if (maxDeadShare === undefined) throw new UsageError('--dead-reason needs --max-dead-share <share>')
  if (deadReason === undefined)
    throw new UsageError('--max-dead-share needs --dead-reason <text>: why that share may be dead')
  return { share: maxDeadShare, reason: deadReason }
}

function canaryOf(options: SendOptions): object | undefined {
  const { canary: size, canaryShare: share, canaryApprove, canaryFailing: failingClasses, maxFailureShare } = options
  if (size === undefined && share === undefined) {
    const [lonely] = given({ '--canary-approve': canaryApprove, '--canary-failing': failingClasses })
    if (lonely !== undefined) throw new UsageError(`${lonely} needs --canary <n> or --canary-share <share>`)
    return undefined
  }
  const approve = canaryApprove === true ? 'manual' : undefined
  return withoutAbsent({ size, share, maxFailureShare, failingClasses, approve })
}

async function notificationOf(options: SendOptions): Promise<Readonly<Record<string, unknown>>> {
  const ways = given({
    '--toast': options.toast,
    '--tile': options.tile,
    '--badge': options.badge,
    '--raw': options.raw,
    '--xml-file': options.xmlFile,
    '--notification-file': options.notificationFile,
    '--template': options.template,
  })
  if (ways.length !== 1) {
    throw new UsageError(
      `give exactly one of --toast, --tile, --badge, --raw, --xml-file, --notification-file, --template; ` +
        `found ${ways.join(' and ') || 'none'}`,
    )
  }
  if (options.toast === undefined)
    for (const [option, value] of [
      ['--image', options.image],
      ['--launch', options.launch],
    ] as const)
      if (value !== undefined) throw new UsageError(`${option} needs --toast`)
  if (options.line !== undefined && options.toast === undefined && options.tile === undefined)
    throw new UsageError('--line needs --toast or --tile')
  return { ...(await bodyOf(options)), ...headersOf(options) }
}

async function bodyOf(options: SendOptions): Promise<Readonly<Record<string, unknown>>> {
  const { toast, tile, badge, raw, xmlFile, notificationFile, line: lines, image, launch, type } = options
  if (toast !== undefined) return { type: 'toast', content: withoutAbsent({ title: toast, lines, image, launch }) }
  if (tile !== undefined) {
    const binding = { lines: [tile, ...(lines ?? [])] }
    return { type: 'tile', content: { medium: binding, wide: binding } }
  }
  if (badge !== undefined) return { type: 'badge', value: /^\d+$/.test(badge) ? Number(badge) : badge }
  if (raw !== undefined) return { type: 'raw', text: raw }
  if (xmlFile !== undefined) {
    const xml = await readText(xmlFile)
    return { type: type ?? rootOf(xml, xmlFile), xml }
  }
  if (options.template !== undefined) return {}
  const notification = await readJson(notificationFile ?? '-')
  if (typeof notification === 'object' && notification !== null && !Array.isArray(notification))
    return { ...notification }
  throw new UsageError(
    `${notificationFile} must contain an object such as {"type": "toast", "content": {"title": "…"}}; ` +
      `found ${kindOf(notification)}`,
  )
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`
}

/** The type of a payload, by its root element. */
function rootOf(xml: string, path: string): string {
  const root = /<(toast|tile|badge)[\s/>]/.exec(xml)?.[1]
  if (root === undefined) throw new UsageError(`${path} has no <toast>, <tile> or <badge>; use --type`)
  return root
}

function headersOf({ ttl, wnsTag, wnsGroup }: SendOptions): Readonly<Record<string, unknown>> {
  return withoutAbsent({ ttlSeconds: ttl, wnsTag, wnsGroup })
}

async function audienceOf(options: SendOptions): Promise<{ audience: unknown; upload?: SendPlan['upload'] & object }> {
  const filters = filtersOf(options)
  const ways = given({
    '--all': options.all,
    '--tags': options.tags,
    '--list': options.list,
    '--channel': options.channel,
    '--channels-file': options.channelsFile,
    '--failed-of': options.failedOf,
    '--rest-of': options.restOf,
  })
  if (ways.length > 1 || (ways.length === 0 && Object.keys(filters).length === 0)) {
    throw new UsageError(
      `give exactly one of --all, --tags, --list, --channel, --channels-file, --failed-of, --rest-of; ` +
        `found ${ways.join(' and ') || 'none'}`,
    )
  }
  if (options.tags !== undefined) return { audience: { tags: options.tags, ...filters } }
  if (options.list !== undefined) return { audience: { list: options.list, ...filters } }
  if (options.failedOf !== undefined) return { audience: { failedOf: options.failedOf, ...filters } }
  if (options.restOf !== undefined) return { audience: { restOf: options.restOf, ...filters } }
  if ((options.channel ?? options.channelsFile) === undefined) return { audience: { all: true, ...filters } }
  const channels = options.channel ?? (await listedIn(options.channelsFile ?? '-'))
  if (channels.length <= MAX_LISTED) return { audience: { channels, ...filters } }
  const list = listNameOf(channels)
  return { audience: { list, ...filters }, upload: { list, channels } }
}

async function listedIn(path: string): Promise<readonly string[]> {
  const channels: string[] = []
  for await (const channel of channelIds(path)) {
    channels.push(channel)
    if (channels.length > MAX_IN_MEMORY)
      throw new UsageError(
        `${path} lists more than ${MAX_IN_MEMORY} channels; upload it with "wns-fanout lists put" and send with --list`,
      )
  }
  return channels
}

/** The same channels get the same list name, so that repeated commands do not pile up lists. */
function listNameOf(channels: readonly string[]): string {
  return `upload-${createHash('sha256').update(channels.join('\n')).digest('hex').slice(0, 16)}`
}

function given(options: Readonly<Record<string, unknown>>): readonly string[] {
  return Object.entries(options).flatMap(([name, value]) => (value === undefined ? [] : [name]))
}

/** The fields that have a value. */
export function withoutAbsent(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}
