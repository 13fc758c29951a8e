import { createHash } from 'node:crypto'
import type { AppId } from '@wns-fanout/domain'

/**
 * Every key in Redis with its type, content and lifetime; `ledger/fields.ts` has the fields of campaigns and batches.
 * Keys of an app contain the hash tag `{<app>}`, so that they are in one slot: a script can use registry, ledger and
 * guard together, and a cluster scales by apps.
 */
export class Keys {
  readonly prefix: string

  /** @param prefix 1 to 32 characters of a-z, A-Z, 0-9, `-`, `_`, `.` and `:`. A brace would move the slot. */
  constructor(prefix: string) {
    if (!/^[A-Za-z0-9_.:-]{1,32}$/.test(prefix))
      throw new TypeError('WNS_FANOUT_PREFIX must be 1 to 32 characters of A-Z, a-z, 0-9, "-", "_", "." and ":"')
    this.prefix = prefix
  }

  // The only keys outside an app.

  /** hash: app id → JSON of its settings without secrets; what workers watch. Permanent. */
  get apps(): string {
    return `${this.prefix}apps`
  }
  /** integer: counts the changes of `apps`, so that a worker reads them only after a change. Permanent. */
  get appsRevision(): string {
    return `${this.prefix}apps:revision`
  }
  /** integer: counts the changes of the schedules of all apps, for the leader. Permanent. */
  get schedulesRevision(): string {
    return `${this.prefix}schedules:revision`
  }
  /** sorted set: app id → when its queue needs a worker, 0 for now, else ms. Until the queue is empty. */
  get ready(): string {
    return `${this.prefix}ready`
  }
  /** stream {app}: announces apps whose queue needs a worker now. About the last thousand. */
  get readyAnnouncements(): string {
    return `${this.prefix}ready:announcements`
  }
  /** hash: key id → JSON {name, apps, verbs, sha256, createdAt, expiresAt?}. Until revoked. */
  get apiKeys(): string {
    return `${this.prefix}keys`
  }
  /** string: the leader's nonce; PX lease. */
  get leader(): string {
    return `${this.prefix}leader`
  }
  /** hash: worker id → `<client id> <run id of Redis>` of its connection. Until the worker stops or is found dead. */
  get workers(): string {
    return `${this.prefix}workers`
  }
  /** string: id of the worker that gives the jobs of a dead worker to others; PX claim. */
  deadWorker(id: string): string {
    return `${this.prefix}workers:dead:${id}`
  }
  /** string: random id of this data set, made by the first process; missing or changed means that data was lost. */
  get dataSetId(): string {
    return `${this.prefix}data-set`
  }
  /** hash: data set id that a process misses → `missed <ms>`, or `accepted <ms>` once an operator accepted the loss. */
  get losses(): string {
    return `${this.prefix}losses`
  }
  /** string `1`: written before each `WAIT`, so that `WAIT` covers a write of its own connection. Permanent. */
  get replicated(): string {
    return `${this.prefix}replicated`
  }
  /** string: number of the last write that a process had confirmed by replicas. An hour after it. */
  replicatedBy(process: string): string {
    return `${this.replicated}:${process}`
  }
  /** string: a key of one check of the Redis user's rights; removed within the check. */
  get probeOfRights(): string {
    return `${this.prefix}rights`
  }
  /** stream: the entries of an audit trail, a chain of hashes. Capped by number and age. */
  auditTrail(name: string): string {
    return `${this.prefix}audit:${name}`
  }
  /** string: JSON {scope, at, by}: the stop of all apps. Until `resume-all`. */
  get stopped(): string {
    return `${this.prefix}stopped`
  }
  /** set: apps that have webhooks, or had some. */
  get webhookApps(): string {
    return `${this.prefix}webhooks`
  }
  /** string: the app of a campaign. Lives as long as the campaign's ledger. */
  campaignApp(campaign: string): string {
    return `${this.prefix}cid:${campaign}`
  }
  /** Prefix of the queue `campaigns`. */
  get campaignsQueuePrefix(): string {
    return `${this.prefix}{campaigns}`
  }

  /** `<prefix>{<app>}:`, the start of every other key of an app; scripts get it and append the rest. */
  base(app: AppId | string): string {
    return `${this.prefix}{${app}}:`
  }
  /** Prefix of the queue `send-<app>`. */
  sendQueuePrefix(app: AppId | string): string {
    return `${this.prefix}{${app}}`
  }

  /** hash {settings, credentials: JSON, secrets sealed or referenced, state: active|paused, breaker?, stopped?}. */
  app(app: AppId | string): string {
    return `${this.base(app)}app`
  }
  /** int: the next ordinal to give. */
  next(app: AppId | string): string {
    return `${this.base(app)}next`
  }
  /** string: the app was removed; an upload under way must not add channels. An hour, or until a PUT. */
  gone(app: AppId | string): string {
    return `${this.base(app)}gone`
  }
  /** bitmap over ordinals: set if the channel is registered. */
  occupied(app: AppId | string): string {
    return `${this.base(app)}occupied`
  }
  /** set: tag names, at most 1,000. */
  tags(app: AppId | string): string {
    return `${this.base(app)}tags`
  }
  /** bitmap over ordinals: set if the channel has the tag. Contains dead channels too: intersect with `occupied`. */
  tag(app: AppId | string, tag: string): string {
    return `${this.base(app)}tag:${tag}`
  }
  /** set: the time zones that channels of the app have or had. */
  zones(app: AppId | string): string {
    return `${this.base(app)}zones`
  }
  /** bitmap over ordinals: set if the channel is in that time zone, which is stored like a tag (lib/time-zones.lua). */
  zone(app: AppId | string, zone: string): string {
    return this.tag(app, `@${zone}`)
  }
  /** bitmap over ordinals: set if the channel opted out in general. */
  optOut(app: AppId | string): string {
    return `${this.base(app)}optout`
  }
  /** set: topics that have opt-outs of their own, at most 100. */
  optOutTopics(app: AppId | string): string {
    return `${this.base(app)}optouts`
  }
  /** bitmap over ordinals: set if the channel opted out of that topic. */
  topicOptOut(app: AppId | string, topic: string): string {
    return `${this.base(app)}optout:${topic}`
  }
  /** hash: slot → `<packed id>\0<packed URI>\0<meta>`; the URI is empty once the channel is dead or deleted. */
  uri(app: AppId | string, page: number): string {
    return `${this.base(app)}uri:${page}`
  }
  /** hash of about 512 fields at most: channel id → ordinal. */
  device(app: AppId | string, channel: string): string {
    return `${this.base(app)}dev:${bucketOf(channel)}`
  }
  /** hash of about 512 fields at the most: fingerprint of a URI → ordinal of the newest channel that has it. */
  uris(app: AppId | string, bucket: number): string {
    return `${this.base(app)}uris:${bucket}`
  }
  /** hash: slot → JSON of the channel's variables; only where used. */
  vars(app: AppId | string, page: number): string {
    return `${this.base(app)}vars:${page}`
  }
  /** string of 4 bytes per slot, big endian: Redis second of the last generic update of that type. */
  stamp(app: AppId | string, type: string, page: number): string {
    return `${this.base(app)}stamp:${type}:${page}`
  }
  /** bitmap over ordinals: set while the channel's raw gate is closed. */
  gated(app: AppId | string): string {
    return `${this.base(app)}gated`
  }
  /** string of 4 bytes per slot, big endian: highest bit and second of a hold's end; or when the app last called. */
  hold(app: AppId | string, page: number): string {
    return `${this.base(app)}hold:${page}`
  }
  /** string: sealed token envelope with its expiry. Expires with the token. */
  token(app: AppId | string): string {
    return `${this.base(app)}token`
  }
  /** string: nonce of the process that requests a token; PX lease. */
  tokenLease(app: AppId | string): string {
    return `${this.base(app)}token:lease`
  }
  /** string: JSON {permanent, code, explanation}: why no token is requested until this expires. A minute at most. */
  tokenRefusal(app: AppId | string): string {
    return `${this.base(app)}token:refusal`
  }
  /** string: marks that a token was replaced within the last minute because WNS refused it. PX. */
  tokenRenewed(app: AppId | string): string {
    return `${this.base(app)}token:renewed`
  }
  /** hash {permits, refilledAtMs, effectiveRate, pausedUntilMs, …}: the app's permits, by Redis time. */
  bucket(app: AppId | string): string {
    return `${this.base(app)}bucket`
  }
  /** hash: campaign → `turn,askedAtMs,missing,weight`: how the campaigns share the app's permits. A minute. */
  shares(app: AppId | string): string {
    return `${this.base(app)}shares`
  }
  /** string: held by the worker that may post this minute's one notification while the app's breaker is open. PX. */
  probe(app: AppId | string): string {
    return `${this.base(app)}probe`
  }
  /** zset: campaign → ms in which its guard slot of a topic is free again. Nine days after the last one was taken. */
  slots(app: AppId | string, type: string, topic: string): string {
    return `${this.base(app)}slots:${type}:${topic}`
  }
  /** bitmap over ordinals: recipients of a campaign that has a slot or waits for one. Until its slot is free. */
  reach(app: AppId | string, campaign: string): string {
    return `${this.campaign(app, campaign)}:reach`
  }
  /** zset: deferred campaigns of a topic → start time in ms. */
  waiting(app: AppId | string, type: string, topic: string): string {
    return `${this.base(app)}waiting:${type}:${topic}`
  }
  /** string: JSON of an idempotent request and its answer. 24 h. */
  idempotency(app: AppId | string, key: string): string {
    return `${this.base(app)}idem:${createHash('sha256').update(key).digest('hex')}`
  }
  /** string: JSON {request, size}: what a dry run offers to confirm. Ten minutes, or until it is used. */
  confirmation(app: AppId | string, digest: string): string {
    return `${this.base(app)}confirm:${digest}`
  }
  /** hash: `all` or `k:<API key>` → recipients of the campaigns created on that UTC day. Two days. */
  recipientsOn(app: AppId | string, day: number): string {
    return `${this.base(app)}day:${day}`
  }
  /** bitmap over ordinals: an uploaded list. 30 days. */
  list(app: AppId | string, list: string): string {
    return `${this.base(app)}list:${list}`
  }
  /** hash {unknown, updatedAtMs}: unknown ids of an uploaded list, and its age. 30 days. */
  listInfo(app: AppId | string, list: string): string {
    return `${this.list(app, list)}:info`
  }
  /** hash: schedule → JSON {request, createdAtMs, sinceMs}; `<schedule>:ran` → ms of its last run. Until deleted. */
  schedules(app: AppId | string): string {
    return `${this.base(app)}schedules`
  }
  /** hash: template → JSON {notification, updatedAtMs}. Until deleted. */
  templates(app: AppId | string): string {
    return `${this.base(app)}templates`
  }
  /** stream {type, data: JSON} or {type, channels}: what happened to the app. About 10,000 events, at most 7 days. */
  events(app: AppId | string): string {
    return `${this.base(app)}events`
  }
  /** hash: webhook → JSON with its sealed secret; `<webhook>:progress` → JSON {cursor, failures, …}. Until deleted. */
  webhooks(app: AppId | string): string {
    return `${this.base(app)}webhooks`
  }
  /** list: stored ids of channels that WNS has ended and that no event reports yet. Seconds. */
  removed(app: AppId | string): string {
    return `${this.base(app)}removed`
  }
  /** bitmap under construction: an audience or list. An hour at most. */
  temporary(app: AppId | string, nonce: string): string {
    return `${this.base(app)}tmp:${nonce}`
  }
  /** zset: campaign id → createdAtMs; the app's campaigns, newest last. */
  campaigns(app: AppId | string): string {
    return `${this.base(app)}campaigns`
  }
  /** set: ids of the app's campaigns that are not finished. */
  active(app: AppId | string): string {
    return `${this.base(app)}active`
  }
  /** set: ids of finished campaigns that the leader has not reported and retired yet. */
  finished(app: AppId | string): string {
    return `${this.base(app)}finished`
  }
  /** hash: a campaign, see `campaignFields`. `retentionDays` after its end. */
  campaign(app: AppId | string, campaign: string): string {
    return `${this.base(app)}c:${campaign}`
  }
  /** bitmap over ordinals: the frozen audience. As the campaign. */
  targets(app: AppId | string, campaign: string): string {
    return `${this.campaign(app, campaign)}:targets`
  }
  /** set: sequence numbers of batches that are planned and not closed. Empty once the campaign is finished. */
  live(app: AppId | string, campaign: string): string {
    return `${this.campaign(app, campaign)}:live`
  }
  /** set: sequence numbers of live batches that wait for a time. Empty once the campaign is finished. */
  parked(app: AppId | string, campaign: string): string {
    return `${this.campaign(app, campaign)}:parked`
  }
  /** stream: details of answers, at most 10,000. As the campaign. */
  samples(app: AppId | string, campaign: string): string {
    return `${this.campaign(app, campaign)}:samples`
  }
  /** hash: a batch, see `batchFields`. As the campaign. */
  batch(app: AppId | string, campaign: string, seq: number): string {
    return `${this.campaign(app, campaign)}:b:${seq}`
  }
  /** string: the outcome vector of a batch, one byte per recipient. As the campaign. */
  vector(app: AppId | string, campaign: string, seq: number): string {
    return `${this.batch(app, campaign, seq)}:v`
  }
}

const DEVICE_BUCKETS = 32_768

/** FNV-1a over the id: spreads channel ids over a fixed number of small hashes, which Redis keeps as listpacks. */
function bucketOf(channel: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < channel.length; at += 1) {
    hash ^= channel.charCodeAt(at)
    hash = Math.imul(hash, 0x01000193)
  }
  return ((hash ^ (hash >>> 17)) >>> 0) % DEVICE_BUCKETS
}
