import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type {
  AppId,
  AppSettings,
  Audience,
  Campaign,
  CampaignId,
  CampaignRef,
  CampaignRequest,
  CampaignState,
  HaltCause,
  ReplayFilter,
  Result,
  Sample,
  Warning,
} from '@wns-fanout/domain'
import { DAY_MS, DEFAULT_UNFINISHED_CAMPAIGNS, isTerminal, Problem } from '@wns-fanout/domain'
import type { CampaignRecord } from '@wns-fanout/state'
import { rejectWhenStopped } from '@wns-fanout/state'
import type { AudienceCounts } from './audience-counts.ts'
import { audienceCounts } from './audience-counts.ts'
import { audienceErrors } from './audience-errors.ts'
import type { CampaignsDeps, CreateOptions } from './campaigns-deps.ts'
import { checkConfirmation, offerConfirmation, usedConfirmation } from './confirmation.ts'
import { limitProblem } from './limit-problem.ts'
import { rejectUnlessPersonal } from './personal-audience.ts'
import { campaignIdOf, keyOfAnother, newCampaignId } from './campaign-id.ts'
import { definitionOf, topicOf } from './definition.ts'
import { evaluable } from './failed-of.ts'
import type { Forecast } from './forecast.ts'
import { forecast } from './forecast.ts'
import { guardProblem, slotMs } from './guideline.ts'
import { hasWaves } from './local-waves.ts'
import { nullIfUnavailable, translateLedgerErrors } from './ledger-problems.ts'
import { rejectWhenFull } from './reject-when-full.ts'
import { refuseMissing } from './refuse-missing.ts'
import { expiryOfWaves, instantMs, rejectErrors, requestErrors } from './request-errors.ts'
import { isResend, replayOf } from './replay.ts'
import type { ResultFilter } from './results.ts'
import { results } from './results.ts'
import { samplesOf } from './samples.ts'
import { acceptHalt, approveCanary, steer } from './steering.ts'
import type { CampaignQuery } from './search.ts'
import { searchCampaigns } from './search.ts'
import { viewOf } from './view.ts'
import type { EvaluatedAudience } from './warnings.ts'
import { asField, emptyAudienceProblem, knownAudience, knownInAdvance, warningsFor } from './warnings.ts'

/** Batches that a cancel closes itself; a worker closes the rest. */
const SWEPT_AT_ONCE = 256

/** Campaigns as the API offers them: create, read and steer. Workers do the rest. */
export class Campaigns {
  readonly #deps: CampaignsDeps

  constructor(deps: CampaignsDeps) {
    this.#deps = deps
  }

  /**
   * Admit a campaign. Throws a Problem: `invalid` with every error, `empty-audience`, `guard-interval` with the time at
   * which it would be admitted, `redis-memory` when Redis is nearly full.
   * Throws `invalid` if the campaign of `idempotencyKey` has another request.
   */
  async create(
    app: AppSettings,
    { confirm, ...request }: CampaignRequest,
    options: CreateOptions = {},
  ): Promise<Campaign> {
    const nowMs = await this.#deps.campaigns.redisNowMs()
    rejectErrors([
      ...requestErrors(app, request, nowMs),
      ...(await audienceErrors(this.#deps, app.app, request, nowMs)),
    ])
    await rejectWhenStopped(this.#deps.redis, this.#deps.keys, app.app)
    await rejectWhenFull(this.#deps.redis)
    const known = await knownInAdvance(this.#deps, app.app, request)
    if (known !== undefined) options.onCounted?.(known.size)
    const asked = { ...request, ...(confirm === undefined ? {} : { confirm }) }
    try {
      return await this.#admit(app, asked, options, known, nowMs)
    } finally {
      if (known !== undefined) await this.#deps.redis.unlink(known.key)
    }
  }

  async #admit(
    app: AppSettings,
    asked: CampaignRequest,
    { parent, idempotencyKey, createdBy, isConfirmed = false }: CreateOptions,
    known: EvaluatedAudience | undefined,
    nowMs: number,
  ): Promise<Campaign> {
    const { confirm: _, ...request } = asked
    const warnings = warningsFor(request, known)
    const id = idempotencyKey === undefined ? newCampaignId() : await this.#idFor(app.app, idempotencyKey, request)
    const isNow = (instantMs(request.startAt) ?? nowMs) <= nowMs
    const isNew = (await this.#record(app.app, id)) === null
    const empty = isNow ? emptyAudienceProblem(warnings, request) : undefined
    if (empty !== undefined && isNew) throw empty
    const usedDigest = isConfirmed || !isNew ? undefined : await checkConfirmation(this.#deps, app, asked, known?.size)
    if (isNow) await refuseMissing(this.#deps, app.app, request, known)
    const definition = definitionOf(app, request, id, { parent, createdBy })
    this.#deps.reached?.('campaign-admitted')
    const answer = await this.#deps.campaigns.create({
      definition,
      policy: request.overLimit ?? 'reject',
      topicIntervalMs: slotMs(definition),
      reachKey: known?.key,
      startAtMs: instantMs(request.startAt),
      expiresAtMs: instantMs(request.expiresAt) ?? (hasWaves(definition) ? expiryOfWaves(request, nowMs) : undefined),
      confirm: usedDigest,
      recipients: known?.size,
      limits: { unfinishedCampaigns: DEFAULT_UNFINISHED_CAMPAIGNS, ...app.limits },
    })
    if (answer.kind === 'unconfirmed') throw usedConfirmation()
    if (answer.kind === 'limited') throw limitProblem(app, answer, nowMs)
    const slot = answer.kind === 'created' ? answer.slot : 'refused'
    if (slot !== undefined) this.#deps.onSlot?.(app.app, slot)
    if (answer.kind !== 'created') throw guardProblem(definition, answer, nowMs)
    this.#deps.reached?.('campaign-stored')
    if (answer.superseded !== undefined)
      await this.#deps.campaigns.steer(app.app, answer.superseded, 'cancel', 'superseded')
    if (!isTerminal(answer.state)) await this.#enqueueLaunch(definition.app, definition.id, answer.startAtMs)
    this.#deps.reached?.('launch-asked')
    return { ...(await this.#view({ app: definition.app, campaign: definition.id })), ...asField(warnings) }
  }

  /** What would become of a campaign. Stores nothing. */
  async forecast(app: AppSettings, request: CampaignRequest): Promise<Forecast> {
    const nowMs = await this.#deps.campaigns.redisNowMs()
    rejectErrors([
      ...requestErrors(app, request, nowMs),
      ...(await audienceErrors(this.#deps, app.app, request, nowMs)),
    ])
    const [condition, sending] = await Promise.all([this.#deps.condition(app.app), this.#sending(app.app)])
    const known = await knownAudience(this.#deps, app.app, request.audience, {
      sample: request.sample,
      topic: topicOf(request),
    })
    try {
      const found = await forecast(this.#deps, app, request, known, condition, sending)
      return { ...found, ...(await offerConfirmation(this.#deps, app, request, found.audienceSize)) }
    } finally {
      await this.#deps.redis.unlink(known.key)
    }
  }

  /** Throws the Problem `invalid` for a personalized campaign that is the same for all of its recipients. */
  async rejectImpersonal(app: AppSettings, request: CampaignRequest): Promise<void> {
    const known = await knownInAdvance(this.#deps, app.app, request)
    if (known === undefined) return
    await this.#deps.redis.unlink(known.key)
    await rejectUnlessPersonal(this.#deps, app, request)
  }

  /**
   * What is odd about a campaign that repeats, such as a tag that no channel has now. Throws the Problem of one that
   * has no recipients now, or must be confirmed and is not. The occurrences need no confirmation then, but they count
   * for the limits of the app.
   */
  async rejectRepeating(app: AppSettings, request: CampaignRequest): Promise<Warning[]> {
    const known = await knownInAdvance(this.#deps, app.app, request)
    if (known !== undefined) await this.#deps.redis.unlink(known.key)
    const warnings = warningsFor(request, known)
    const empty = emptyAudienceProblem(warnings, request)
    if (empty !== undefined) throw empty
    const digest = await checkConfirmation(this.#deps, app, request, known?.size)
    if (digest !== undefined) await this.#deps.redis.del(this.#deps.keys.confirmation(app.app, digest))
    return warnings
  }

  /** The same, with the channels of the audience that opted out, and what is odd about the audience. */
  audienceCounts(app: AppId, audience: Audience, topic?: string): Promise<AudienceCounts> {
    return audienceCounts(this.#deps, app, audience, topic)
  }

  /** The channels in an audience now, as a bitmap over ordinals, also those that opted out. */
  async audienceBits(app: AppId, audience: Audience): Promise<Buffer> {
    const options = { exceptOptOut: false }
    return (await this.#deps.audiences.bitmap(app, await evaluable(this.#deps, app, audience), options)).bits
  }

  async get({ app, campaign }: CampaignRef): Promise<Campaign | null> {
    const record = await this.#record(app, campaign)
    return record === null ? null : this.#show(app, record)
  }

  appOf(id: CampaignId): Promise<AppId | null> {
    return this.#deps.campaigns.appOf(id)
  }

  /** An app's campaigns, newest first. */
  async list(
    app: AppId,
    page: { readonly state?: CampaignState | undefined; readonly after?: string | undefined; readonly limit: number },
  ): Promise<{ readonly items: Campaign[]; readonly next?: string }> {
    const [condition, sending] = await Promise.all([this.#deps.condition(app), this.#sending(app)])
    const items: Campaign[] = []
    let after = page.after
    for (;;) {
      const ids = await this.#deps.campaigns.ids(app, after, page.limit)
      const records = await Promise.all(ids.map((id) => this.#record(app, id).catch(nullIfUnavailable)))
      for (const [at, record] of records.entries()) {
        after = ids[at] ?? after
        if (record === null || (page.state !== undefined && record.state !== page.state)) continue
        items.push(viewOf(record, condition, sending))
        if (items.length === page.limit) return { items, ...(after === undefined ? {} : { next: after }) }
      }
      if (ids.length < page.limit) return { items }
    }
  }

  /** Campaigns of several apps, newest first. */
  search(
    apps: readonly AppId[],
    query: CampaignQuery,
  ): Promise<{ readonly items: Campaign[]; readonly next?: string }> {
    const record = (app: AppId, id: CampaignId) => this.#record(app, id).catch(nullIfUnavailable)
    const deps = {
      campaigns: this.#deps.campaigns,
      record,
      show: (app: AppId, found: CampaignRecord) => this.#show(app, found),
    }
    return searchCampaigns(deps, apps, query)
  }

  /** Start no more posts. The answers to posts under way are still counted. */
  async pause(ref: CampaignRef): Promise<Campaign> {
    const record = await this.#find(ref)
    await steer(this.#deps, ref.app, record, 'pause')
    return this.#view(ref)
  }

  /** @param accept the cause of the halt that the owner of a halted campaign accepts */
  async resume(ref: CampaignRef, accept?: HaltCause): Promise<Campaign> {
    const record = await this.#find(ref)
    await (accept === undefined
      ? steer(this.#deps, ref.app, record, 'resume')
      : acceptHalt(this.#deps, ref.app, record, accept))
    await this.#deps.queues.enqueue('reconcile', ref, randomUUID())
    return this.#view(ref)
  }

  /** Let the rest of a campaign follow its canary. */
  async approve(ref: CampaignRef): Promise<Campaign> {
    const record = await this.#find(ref)
    await approveCanary(this.#deps, ref.app, record)
    await this.#deps.queues.enqueue('reconcile', ref, randomUUID())
    return this.#view(ref)
  }

  async cancel(ref: CampaignRef): Promise<Campaign> {
    const record = await this.#find(ref)
    await steer(this.#deps, ref.app, record, 'cancel')
    await translateLedgerErrors(ref.campaign, () => this.#deps.ledger.sweep(ref, SWEPT_AT_ONCE)).catch(
      nullIfUnavailable,
    )
    await this.#deps.queues.enqueue('sweep', ref, randomUUID())
    return this.#view(ref)
  }

  /** A new campaign to the recipients that failed or lapsed in this one. */
  retryFailed(
    ref: CampaignRef,
    { includeInDoubt }: { readonly includeInDoubt?: boolean | undefined },
    createdBy?: string,
  ): Promise<Campaign> {
    return this.#replay(ref, includeInDoubt === true ? { includeInDoubt } : {}, createdBy)
  }

  /** A new campaign to the recipients with these results in this one. */
  retry(ref: CampaignRef, filter: ReplayFilter, createdBy?: string): Promise<Campaign> {
    return this.#replay(ref, filter, createdBy)
  }

  /** One result for every recipient, in the order of registration. */
  async results(ref: CampaignRef, only: ResultFilter = {}): Promise<AsyncGenerator<Result>> {
    return results(this.#deps, ref.app, await this.#find(ref), only)
  }

  /** Details of answers that were not plain acceptance, failures first. */
  async samples(ref: CampaignRef): Promise<{ readonly items: Sample[] }> {
    await this.#find(ref)
    return { items: await samplesOf(this.#deps, ref.app, ref.campaign) }
  }

  /** Records of the campaigns of an app that are not finished, for gauges. */
  async unfinished(app: AppId): Promise<CampaignRecord[]> {
    const ids = await this.#deps.campaigns.active(app)
    const records = await Promise.all(ids.map((id) => this.#record(app, id).catch(nullIfUnavailable)))
    return records.filter((record) => record !== null)
  }

  async #replay(
    ref: CampaignRef,
    filter: ReplayFilter & { readonly includeInDoubt?: boolean | undefined },
    createdBy: string | undefined,
  ): Promise<Campaign> {
    const request = replayOf(await this.#find(ref), filter)
    const settings = await this.#deps.apps.settings(ref.app)
    if (settings === null) throw new Problem('not-found', `there is no app ${ref.app}`)
    return this.create(settings, request, { parent: ref.campaign, createdBy, isConfirmed: isResend(filter) })
  }

  /** The id of the campaign that a key stands for: after a day, another one. */
  async #idFor(app: AppId, idempotencyKey: string, request: CampaignRequest): Promise<CampaignId> {
    const id = campaignIdOf(app, idempotencyKey)
    const known = await this.#record(app, id)
    if (known === null) return id
    if (known.redisNowMs - known.createdAtMs >= DAY_MS) return newCampaignId()
    if (known.definitionLost === true) return id
    if (!isDeepStrictEqual(known.definition.request, JSON.parse(JSON.stringify(request)))) throw keyOfAnother()
    return id
  }

  #record(app: AppId, id: CampaignId): Promise<CampaignRecord | null> {
    return translateLedgerErrors(id, () => this.#deps.campaigns.get(app, id))
  }

  async #view(ref: CampaignRef): Promise<Campaign> {
    return this.#show(ref.app, await this.#find(ref))
  }

  /** How fast a campaign progresses depends on the others of its app, which only one that sends has to know. */
  async #show(app: AppId, record: CampaignRecord): Promise<Campaign> {
    const [condition, sending] = await Promise.all([
      this.#deps.condition(app),
      record.state === 'sending' || record.state === 'scheduled' ? this.#sending(app) : [],
    ])
    return viewOf(record, condition, sending)
  }

  async #sending(app: AppId): Promise<readonly CampaignRecord[]> {
    return (await this.unfinished(app)).filter(({ state }) => state === 'sending')
  }

  async #find({ app, campaign }: CampaignRef): Promise<CampaignRecord> {
    const record = await this.#record(app, campaign)
    if (record === null) throw new Problem('not-found', `there is no campaign ${campaign}`)
    return record
  }

  async #enqueueLaunch(app: AppId, campaign: CampaignId, startAtMs: number): Promise<void> {
    const delayMs = startAtMs - (await this.#deps.campaigns.redisNowMs())
    await this.#deps.queues.enqueue('launch', { app, campaign }, '', Math.max(0, delayMs))
  }
}
