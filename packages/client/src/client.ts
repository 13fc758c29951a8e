import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { Readable, Transform } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type {
  ApiKey,
  ApiKeyRequest,
  App,
  AppPatch,
  AppRequest,
  AuditEntry,
  AuditTrailName,
  Audience,
  Campaign,
  CampaignBody,
  CampaignState,
  Channel,
  Estimate,
  ListedChannel,
  ImportResult,
  NamedTemplate,
  NewApiKey,
  Notification,
  OddFieldPolicy,
  Preview,
  PreviewBody,
  RecipientClass,
  Result,
  Sample,
  Schedule,
  StopResult,
  ScheduleRequest,
  UnreadableApp,
  HaltCause,
  ReplayFilter,
  UnreadableSchedule,
  UploadFormat,
  Verification,
} from '@wns-fanout/domain'
import { isFinished, isHeld } from '@wns-fanout/domain'
import { appEventCalls } from './app-events.ts'
import { ApiError, ApiUnreachableError } from './api-error.ts'
import type { HttpOptions, HttpRequest } from './http.ts'
import { Http } from './http.ts'
import type { Reconnection } from './streams.ts'
import { jsonLines, serverEvents } from './streams.ts'
import type {
  CampaignFilter,
  ChangeResult,
  ChannelCount,
  ChannelChangeKind,
  ChannelPatch,
  ChannelRequest,
  ImportLine,
  List,
  CleanupResult,
  MissingResult,
  RegisteredChannel,
} from './types.ts'
import { webhookCalls } from './webhooks.ts'

export interface ClientOptions extends HttpOptions {
  /** How long `watch` waits before it connects again, in milliseconds, unless the API sends `retry`; default 1000. */
  readonly reconnectMs?: number
}

export interface CallOptions {
  /** Aborts the call. */
  readonly signal?: AbortSignal | undefined
}

export interface ChangeAppOptions extends CallOptions {
  /** The `etag` of the app as it was read; the call throws `precondition-failed` if it was changed since. */
  readonly ifMatch?: string
}

export interface ImportOptions extends CallOptions {
  /** Lines of JSON, or a CSV with the header `channel,uri,tags,locale`. */
  readonly type: 'ndjson' | 'csv'
  /** Whether the source is gzip already. */
  readonly gzip?: boolean
  /** `skip-field` registers lines without their invalid locales, time zones and tags; default `strict`. */
  readonly oddFields?: OddFieldPolicy
  /** Uploads with the same name within an hour are one import, for `removeMissing`: 8 to 40 of a-z, 0-9 and "-". */
  readonly importId?: string
  /** Register nothing; `created` counts the ids that are new, `unchanged` the others. */
  readonly dryRun?: boolean
  /** Called with the number of bytes of the source sent so far. */
  readonly onProgress?: (bytes: number) => void
}

export interface UploadOptions extends CallOptions {
  /** Lines of JSON, a CSV with a header, or one id a line; `ids` lets the API decide by the first line. */
  readonly type: UploadFormat
  /** Whether the source is gzip already. */
  readonly gzip?: boolean
}

const mediaTypes: Readonly<Record<UploadFormat, string>> = {
  ndjson: 'application/x-ndjson',
  csv: 'text/csv',
  ids: 'text/plain',
}

/** The source of an import: the path of a file, a stream, or pieces of text or bytes. */
export type ImportSource = { readonly file: string } | Readable | AsyncIterable<string | Uint8Array> | Iterable<string>

export type ChangeChannelsOptions = CallOptions & {
  /** The tags of `tag` and `untag`. */
  readonly tags?: readonly string[]
  /** The topic of `opt-out` and `opt-in`; absent, they apply to everything. */
  readonly topic?: string
} & (
    | { readonly audience: Audience; readonly onProgress?: (step: { done: number; matched: number }) => void }
    | {
        readonly ids: ImportSource
        readonly type: UploadFormat
        readonly gzip?: boolean
        readonly onBytes?: (bytes: number) => void
      }
  )

export interface CleanupOptions extends CallOptions {
  /** The largest share of the channels that may be removed; default 0.1. */
  readonly maxShare?: number
  /** Only count. */
  readonly dryRun?: boolean
  readonly onProgress?: (step: { done: number; matched: number }) => void
}

export interface CreateOptions extends CallOptions {
  /** A repeat with the same key within 24 hours returns the first answer. By default each call gets a new key. */
  readonly idempotencyKey?: string
}

export interface AuditOptions extends CallOptions {
  /** `devices` has the changes of single channels; default `control`. */
  readonly trail?: AuditTrailName
  readonly app?: string
  /** The id of an API key. */
  readonly key?: string
  /** An action, or a group such as `campaign.*`. */
  readonly action?: string
  readonly from?: string
  readonly to?: string
  /** The id of an entry: only those behind it. */
  readonly after?: string
  /** Which entries come first; default `oldest`. */
  readonly order?: 'oldest' | 'newest'
  readonly limit?: number
}

export type Client = ReturnType<typeof createClient>

const LINES_TYPE = 'application/x-ndjson'
const PAGE_SIZE = 500
const STREAM_SILENCE_MS = 60_000
const CHANGE_SILENCE_MS = 120_000
// The API sends a comment every 15 seconds.
const EVENT_SILENCE_MS = 45_000

/**
 * A typed client of the HTTP API. Calls throw {@link ApiError} when the API rejects a request, and
 * {@link ApiUnreachableError} without an answer. 429 and 503 are retried after `Retry-After`. Lists and results are
 * async iterables.
 */
export function createClient(settings: ClientOptions) {
  const http = new Http(settings)
  const { reconnectMs = 1000 } = settings
  const call = <T>(method: HttpRequest['method'], path: string, options: ChangeAppOptions = {}, body?: unknown) =>
    http.json<T>({
      method,
      path,
      signal: options.signal,
      ...(options.ifMatch === undefined ? {} : { headers: { 'if-match': `"${options.ifMatch}"` } }),
      ...(body === undefined ? {} : { body: json(body) }),
    })

  const pages = async function* <T>(
    path: string,
    query: Readonly<Record<string, string | undefined>>,
    { signal }: CallOptions,
  ): AsyncGenerator<T> {
    let after: string | undefined
    do {
      const page: { items: T[]; next?: string } = await http.json({
        method: 'GET',
        path,
        query: { ...query, after, limit: PAGE_SIZE },
        signal,
      })
      yield* page.items
      after = page.next
    } while (after !== undefined)
  }

  const lines = async function* <T>(
    path: string,
    query: Readonly<Record<string, string | undefined>>,
    { signal }: CallOptions,
  ): AsyncGenerator<T> {
    const { body } = await http.send({
      method: 'GET',
      path,
      query,
      signal,
      headers: { accept: LINES_TYPE },
      silenceMs: STREAM_SILENCE_MS,
    })
    try {
      yield* jsonLines<T>(body)
    } catch (error) {
      if (signal?.aborted === true) throw error
      throw new ApiUnreachableError(http.url, 'the answer broke off', error)
    }
  }

  const eventsOf = async function* (
    id: string,
    { signal }: CallOptions,
    reconnection: Reconnection,
  ): AsyncGenerator<Campaign> {
    const { body } = await http.send({
      method: 'GET',
      path: pathOf`/campaigns/${id}/events`,
      signal,
      headers: {
        accept: 'text/event-stream',
        ...(reconnection.lastEventId === '' ? {} : { 'last-event-id': reconnection.lastEventId }),
      },
      silenceMs: EVENT_SILENCE_MS,
    })
    try {
      for await (const { event, data } of serverEvents(body, reconnection))
        if (event === 'progress') yield JSON.parse(data) as Campaign
    } catch (error) {
      if (signal?.aborted === true) throw error
      throw new ApiUnreachableError(http.url, 'the stream of progress broke off', error)
    }
  }

  return {
    /** All apps that the key may read. */
    apps: (options: CallOptions = {}) => pages<App | UnreadableApp>('/apps', {}, options),
    app: (app: string, options?: CallOptions) => call<App>('GET', pathOf`/apps/${app}`, options),
    putApp: (app: string, request: AppRequest, options?: ChangeAppOptions) =>
      call<App>('PUT', pathOf`/apps/${app}`, options, request),
    /** Changes settings without the credentials; an absent one stays, null gives it its default. */
    patchApp: (app: string, patch: AppPatch, options?: ChangeAppOptions) =>
      call<App>('PATCH', pathOf`/apps/${app}`, options, patch),
    deleteApp: (app: string, options?: CallOptions) => call<void>('DELETE', pathOf`/apps/${app}`, options),
    /** Requests a token with the credentials of the app now. */
    verifyApp: (app: string, options?: CallOptions) => call<Verification>('POST', pathOf`/apps/${app}/verify`, options),
    pauseApp: (app: string, options?: CallOptions) => call<App>('POST', pathOf`/apps/${app}/pause`, options),
    resumeApp: (app: string, options?: CallOptions) => call<App>('POST', pathOf`/apps/${app}/resume`, options),

    putChannel: (app: string, channel: string, request: ChannelRequest, options?: CallOptions) =>
      call<RegisteredChannel>('PUT', pathOf`/apps/${app}/channels/${channel}`, options, request),
    /** Changes a registered channel; absent fields and variables keep their value, null clears them. */
    patchChannel: (app: string, channel: string, patch: ChannelPatch, options?: CallOptions) =>
      call<RegisteredChannel>('PATCH', pathOf`/apps/${app}/channels/${channel}`, options, patch),
    channel: (app: string, channel: string, options?: CallOptions) =>
      call<Channel>('GET', pathOf`/apps/${app}/channels/${channel}`, options),
    deleteChannel: (app: string, channel: string, options?: CallOptions) =>
      call<void>('DELETE', pathOf`/apps/${app}/channels/${channel}`, options),
    /** Reports that the app runs on the device, which opens its raw gate. */
    channelActive: (app: string, channel: string, options?: CallOptions) =>
      call<void>('POST', pathOf`/apps/${app}/channels/${channel}/active`, options),
    /** All channels, or with `optedOut` those that opted out, also of ids that are not registered any more. */
    channels: (
      app: string,
      { optedOut, topic, ...options }: CallOptions & { readonly optedOut?: boolean; readonly topic?: string } = {},
    ) =>
      pages<ListedChannel>(
        pathOf`/apps/${app}/channels`,
        { optedOut: optedOut === undefined ? undefined : String(optedOut), topic },
        options,
      ),
    /** Opts out of everything, or of one topic. */
    optOut: (app: string, channel: string, { signal, topic }: CallOptions & { readonly topic?: string } = {}) =>
      http.json<void>({
        method: 'PUT',
        path: pathOf`/apps/${app}/channels/${channel}/opt-out`,
        query: { topic },
        signal,
      }),
    optIn: (app: string, channel: string, { signal, topic }: CallOptions & { readonly topic?: string } = {}) =>
      http.json<void>({
        method: 'DELETE',
        path: pathOf`/apps/${app}/channels/${channel}/opt-out`,
        query: { topic },
        signal,
      }),
    /** Registers many channels. The source is read once, as fast as the API accepts it. */
    importChannels: (
      app: string,
      source: ImportSource,
      { type, gzip = false, oddFields, importId, dryRun, onProgress, signal }: ImportOptions,
    ) =>
      http.json<ImportResult>({
        method: 'POST',
        path: `${pathOf`/apps/${app}/channels`}:import`,
        query: { oddFields, import: importId, dryRun: dryRun === true ? 'true' : undefined },
        headers: gzip ? { 'content-encoding': 'gzip' } : {},
        body: { type: mediaTypes[type], content: counted(source, onProgress) },
        signal,
      }),
    /** Removes the channels that no line of the import with this name named; see `maxShare` in the API. */
    removeMissing: (
      app: string,
      importId: string,
      { signal, ...body }: CallOptions & { readonly maxShare?: number; readonly dryRun?: boolean } = {},
    ) =>
      call<MissingResult>(
        'POST',
        `${pathOf`/apps/${app}/channels`}:remove-missing`,
        { signal },
        {
          import: importId,
          ...body,
        },
      ),
    /** Removes the channels that last registered before a time (ISO 8601); see `maxShare` in the API. */
    cleanUpChannels: async (
      app: string,
      registeredBefore: string,
      { signal, onProgress, ...options }: CleanupOptions = {},
    ) => {
      const answer = await http.send({
        method: 'POST',
        path: `${pathOf`/apps/${app}/channels`}:cleanup`,
        signal,
        silenceMs: CHANGE_SILENCE_MS,
        headers: { accept: LINES_TYPE },
        body: json({ registeredBefore, ...options }),
      })
      for await (const line of jsonLines<CleanupResult | { done: number; matched: number }>(answer.body)) {
        if (!('done' in line)) return line
        onProgress?.(line)
      }
      throw new ApiUnreachableError(http.url, 'the answer broke off', undefined)
    },
    /** Changes many channels: those of an audience, or those with the given ids. */
    changeChannels: async (app: string, kind: ChannelChangeKind, options: ChangeChannelsOptions) => {
      const request = {
        method: 'POST',
        path: `${pathOf`/apps/${app}/channels`}:${kind}`,
        query: { tags: options.tags?.join(','), topic: options.topic },
        signal: options.signal,
        // The answer of an audience begins at once and shows progress; that of ids follows their end.
        silenceMs: CHANGE_SILENCE_MS,
      } as const
      if ('ids' in options)
        return await http.json<ChangeResult>({
          ...request,
          headers: options.gzip === true ? { 'content-encoding': 'gzip' } : {},
          body: { type: mediaTypes[options.type], content: counted(options.ids, options.onBytes) },
        })
      const body = json({ audience: options.audience })
      const answer = await http.send({ ...request, headers: { accept: LINES_TYPE }, body })
      for await (const line of jsonLines<ChangeResult | { done: number; matched: number }>(answer.body)) {
        if (!('done' in line)) return line
        options.onProgress?.(line)
      }
      throw new ApiUnreachableError(http.url, 'the answer broke off', undefined)
    },
    /** All channels with their URIs, in the format of an import. */
    exportChannels: (app: string, options: CallOptions = {}) =>
      lines<ImportLine>(`${pathOf`/apps/${app}/channels`}:export`, {}, options),
    /** The size of an audience, for a campaign of `topic` where it is given. */
    countChannels: (
      app: string,
      audience: Audience,
      { signal, topic }: CallOptions & { readonly topic?: string } = {},
    ) => call<ChannelCount>('POST', `${pathOf`/apps/${app}/channels`}:count`, { signal }, { audience, topic }),

    /** Upload a list as lines of JSON, a CSV with a column `channel`, or bare ids; it is read by the API alone. */
    uploadList: (app: string, list: string, source: ImportSource, { type, gzip = false, signal }: UploadOptions) =>
      http.json<List>({
        method: 'PUT',
        path: pathOf`/apps/${app}/lists/${list}`,
        headers: gzip ? { 'content-encoding': 'gzip' } : {},
        body: { type: mediaTypes[type], content: counted(source, undefined) },
        signal,
      }),
    /** Uploads a list of channel ids, which is kept for 30 days. */
    putList: (
      app: string,
      list: string,
      channels: Iterable<string> | AsyncIterable<string>,
      options: CallOptions = {},
    ) =>
      http.json<List>({
        method: 'PUT',
        path: pathOf`/apps/${app}/lists/${list}`,
        body: { type: LINES_TYPE, content: Readable.from(listLines(channels), { objectMode: false }) },
        signal: options.signal,
      }),
    list: (app: string, list: string, options?: CallOptions) =>
      call<List>('GET', pathOf`/apps/${app}/lists/${list}`, options),
    deleteList: (app: string, list: string, options?: CallOptions) =>
      call<void>('DELETE', pathOf`/apps/${app}/lists/${list}`, options),

    /** Creates or replaces a campaign that repeats. */
    putSchedule: (app: string, schedule: string, request: ScheduleRequest, options?: CallOptions) =>
      call<Schedule>('PUT', pathOf`/apps/${app}/schedules/${schedule}`, options, request),
    schedule: (app: string, schedule: string, options?: CallOptions) =>
      call<Schedule | UnreadableSchedule>('GET', pathOf`/apps/${app}/schedules/${schedule}`, options),
    putTemplate: (app: string, template: string, notification: Notification, options?: CallOptions) =>
      call<NamedTemplate>('PUT', pathOf`/apps/${app}/templates/${template}`, options, { notification }),
    template: (app: string, template: string, options?: CallOptions) =>
      call<NamedTemplate>('GET', pathOf`/apps/${app}/templates/${template}`, options),
    /** The templates of an app, by name. */
    templates: (app: string, options: CallOptions = {}) =>
      pages<NamedTemplate>(pathOf`/apps/${app}/templates`, {}, options),
    deleteTemplate: (app: string, template: string, options?: CallOptions) =>
      call<void>('DELETE', pathOf`/apps/${app}/templates/${template}`, options),
    /** What would be posted to a recipient; sends nothing. */
    preview: (app: string, request: PreviewBody, options?: CallOptions) =>
      call<Preview>('POST', `${pathOf`/apps/${app}/campaigns`}:preview`, options, request),
    /** The schedules of an app, by name. */
    schedules: (app: string, options: CallOptions = {}) =>
      pages<Schedule | UnreadableSchedule>(pathOf`/apps/${app}/schedules`, {}, options),
    deleteSchedule: (app: string, schedule: string, options?: CallOptions) =>
      call<void>('DELETE', pathOf`/apps/${app}/schedules/${schedule}`, options),

    createCampaign: (app: string, request: CampaignBody, { idempotencyKey, signal }: CreateOptions = {}) =>
      http.json<Campaign>({
        method: 'POST',
        path: pathOf`/apps/${app}/campaigns`,
        headers: { 'idempotency-key': idempotencyKey ?? randomUUID() },
        body: json(request),
        // The idempotency key makes repeats safe.
        repeatable: true,
        signal,
      }),
    /** The size of the audience and the estimated duration; stores nothing. */
    dryRun: (app: string, request: CampaignBody, options?: CallOptions) =>
      call<Estimate>('POST', pathOf`/apps/${app}/campaigns`, options, { ...request, dryRun: true }),
    /** Campaigns of an app, newest first. */
    campaigns: (app: string, { state, ...options }: CallOptions & { readonly state?: CampaignState } = {}) =>
      pages<Campaign>(pathOf`/apps/${app}/campaigns`, { state }, options),
    /** Campaigns of all apps that the key may see, newest first. */
    searchCampaigns: ({ signal, ...filter }: CallOptions & CampaignFilter = {}) =>
      pages<Campaign>('/campaigns', { ...filter }, signal === undefined ? {} : { signal }),
    campaign: (id: string, options?: CallOptions) => call<Campaign>('GET', pathOf`/campaigns/${id}`, options),
    pauseCampaign: (id: string, options?: CallOptions) =>
      call<Campaign>('POST', pathOf`/campaigns/${id}/pause`, options),
    /** A halted campaign needs `accept` with the reason of its halt. */
    resumeCampaign: (
      id: string,
      { accept, ...options }: CallOptions & { readonly accept?: HaltCause | undefined } = {},
    ) =>
      call<Campaign>('POST', pathOf`/campaigns/${id}/resume`, options, accept === undefined ? undefined : { accept }),
    /** Send the rest after a canary that waits for approval. */
    approveCampaign: (id: string, options?: CallOptions) =>
      call<Campaign>('POST', pathOf`/campaigns/${id}/approve`, options),
    cancelCampaign: (id: string, options?: CallOptions) =>
      call<Campaign>('POST', pathOf`/campaigns/${id}/cancel`, options),
    retryFailed: (
      id: string,
      { includeInDoubt, ...options }: CallOptions & { readonly includeInDoubt?: boolean | undefined } = {},
    ) =>
      call<Campaign>(
        'POST',
        pathOf`/campaigns/${id}/retry-failed`,
        options,
        includeInDoubt === undefined ? {} : { includeInDoubt },
      ),
    /** A new campaign to the recipients with these results; at least one of the lists is needed. */
    retry: (id: string, { classes, reasons, ...options }: CallOptions & ReplayFilter) =>
      call<Campaign>('POST', pathOf`/campaigns/${id}/retry`, options, { classes, reasons }),
    /** The progress of a campaign over one connection; ends with the campaign, or when the API stops. */
    events: (id: string, options: CallOptions = {}) => eventsOf(id, options, { lastEventId: '', delayMs: reconnectMs }),
    /**
     * The progress of a campaign to its end, or until it halts. Reconnects when needed; throws after a minute without
     * progress.
     */
    watch: async function* (id: string, { signal }: CallOptions = {}): AsyncGenerator<Campaign> {
      let latest: Campaign | undefined
      let heardAtMs = performance.now()
      const reconnection: Reconnection = { lastEventId: '', delayMs: reconnectMs }
      while (latest === undefined || !isOver(latest)) {
        try {
          for await (const campaign of eventsOf(id, { signal }, reconnection)) {
            heardAtMs = performance.now()
            latest = campaign
            yield campaign
          }
        } catch (error) {
          if (error instanceof ApiError || signal?.aborted === true) throw error
          if (performance.now() - heardAtMs > PATIENCE_MS) throw error
        }
        if (latest === undefined || !isOver(latest))
          await sleep(reconnection.delayMs, undefined, signal === undefined ? {} : { signal })
      }
    },
    /** The outcome of each recipient. */
    results: (
      id: string,
      {
        class: name,
        reason,
        ...options
      }: CallOptions & { readonly class?: RecipientClass | undefined; readonly reason?: string | undefined } = {},
    ) => lines<Result>(pathOf`/campaigns/${id}/results`, { class: name, reason }, options),
    samples: (id: string, options?: CallOptions) =>
      call<{ items: Sample[] }>('GET', pathOf`/campaigns/${id}/samples`, options),

    /** Creates an API key; only this answer contains `key`. */
    createKey: (request: ApiKeyRequest, options?: CallOptions) => call<NewApiKey>('POST', '/keys', options, request),
    keys: (options: CallOptions = {}) => pages<ApiKey>('/keys', {}, options),
    deleteKey: (id: string, options?: CallOptions) => call<void>('DELETE', pathOf`/keys/${id}`, options),

    ...appEventCalls(http),
    /** Stops everything of one app, or of all apps; `resumeAll` ends it. */
    stopAll: ({ app, ...options }: CallOptions & { readonly app?: string | undefined } = {}) =>
      call<StopResult>('POST', app === undefined ? '/stop-all' : pathOf`/apps/${app}/stop-all`, options),
    resumeAll: ({ app, ...options }: CallOptions & { readonly app?: string | undefined } = {}) =>
      call<StopResult>('POST', app === undefined ? '/resume-all' : pathOf`/apps/${app}/resume-all`, options),
    /** The entries of the audit log that the key may see. */
    audit: ({ signal, limit, ...filter }: AuditOptions = {}) =>
      lines<AuditEntry>(
        '/audit',
        { ...filter, limit: limit === undefined ? undefined : String(limit) },
        signal === undefined ? {} : { signal },
      ),
    ...webhookCalls(http, pages),

    /** Closes all connections; calls in progress fail. */
    close: () => http.close(),
  }
}

const PATIENCE_MS = 60_000

function isOver(campaign: Campaign): boolean {
  return isFinished(campaign) || isHeld(campaign)
}

function json(body: unknown) {
  return { type: 'application/json', content: JSON.stringify(body) }
}

/** A path with encoded parts: a channel id may contain a slash. */
function pathOf(fixed: TemplateStringsArray, ...names: string[]): string {
  return String.raw({ raw: fixed }, ...names.map((name) => encodeURIComponent(name)))
}

function counted(source: ImportSource, onProgress: ((bytes: number) => void) | undefined): Readable {
  const stream = streamOf(source)
  if (onProgress === undefined) return stream
  let bytes = 0
  const counter = new Transform({
    transform(piece: Buffer, _encoding, done) {
      bytes += piece.length
      onProgress(bytes)
      done(null, piece)
    },
  })
  stream.once('error', (error) => counter.destroy(error))
  counter.once('close', () => stream.destroy())
  return stream.pipe(counter)
}

function streamOf(source: ImportSource): Readable {
  if (source instanceof Readable) return source
  if ('file' in source) return createReadStream(source.file)
  return Readable.from(source, { objectMode: false })
}

const LINES_PER_PIECE = 500

async function* listLines(channels: Iterable<string> | AsyncIterable<string>): AsyncGenerator<string> {
  let piece = ''
  let count = 0
  for await (const channel of channels) {
    piece += `${JSON.stringify({ channel })}\n`
    count += 1
    if (count % LINES_PER_PIECE !== 0) continue
    yield piece
    piece = ''
  }
  if (piece !== '') yield piece
}
