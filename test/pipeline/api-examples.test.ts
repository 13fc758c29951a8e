import { until } from '@wns-fanout/testing'
import { request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { finished } from '../support/campaigns.ts'
import { startTestStack } from '../support/stack.ts'
import { halted } from './support.ts'

// The bodies of the API reference, sent as they are shown and in its order, except that removals come last.

const stack = await startTestStack()

beforeAll(async () => void (await stack.startWorker()))
afterAll(async () => {
  await stack[Symbol.asyncDispose]()
})

interface Operation {
  readonly operationId: string
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly example: unknown }>> }
}

interface Example {
  readonly name: string
  readonly id: string
  readonly type?: string
  readonly body?: unknown
}

async function readExamples(): Promise<Example[]> {
  const { body } = await request(`${stack.apiAccess.url}/openapi.json`)
  const { paths } = (await body.json()) as { paths: Record<string, Record<string, Operation>> }
  return Object.entries(paths)
    .flatMap(([path, methods]) =>
      Object.entries(methods).flatMap(([method, { operationId: id, requestBody }]): Example[] => {
        const name = `${method.toUpperCase()} ${path}`
        const media = Object.entries(requestBody?.content ?? {})
        return media.length === 0
          ? [{ name, id }]
          : media.map(([type, { example }]) => ({ name, id, type, body: example }))
      }),
    )
    .toSorted((a, b) => order(a) - order(b))
}

function order({ id }: Example): number {
  if (id === 'deleteApp') return 2
  return id.startsWith('delete') ? 1 : 0
}

const examples = await readExamples()

/** What the reference shows as parameters of the query. */
const queries: Readonly<Record<string, string>> = {
  importChannels: '?import=2026-03-01-nightly',
  tagChannels: '?tags=news,sport',
  untagChannels: '?tags=sport',
}

const names: Readonly<Record<string, string>> = {
  app: 'news',
  channel: 'laptop-1',
  list: 'beta-testers',
  template: 'breaking',
  schedule: 'morning',
  webhook: 'newsroom',
}
/** Ids that answers to earlier examples have. */
const ids: Record<string, string> = {}
const raw = { type: 'raw', text: 'sync' } as const

/** A campaign in the state that an operation is for; others take the one of the example. */
const campaignFor: Readonly<Record<string, () => Promise<string>>> = {
  getResults: async () => (await finished(stack, ids['campaign'] ?? '')).id,
  retryCampaign: async () => {
    await register('dropped', 1)
    const { id } = await stack.api.createCampaign('news', { ...tagged('dropped'), notification: raw })
    return (await finished(stack, id)).id
  },
  retryFailed: async () => {
    await register('error', 1)
    await stack.api.patchApp('news', { maxAttempts: 1 })
    const { id } = await stack.api.createCampaign('news', { ...tagged('error'), notification: raw })
    return (await finished(stack, id)).id
  },
  pauseCampaign: async () => {
    await register('offline', 20)
    const pace = { overSeconds: 600 }
    const { id } = await stack.api.createCampaign('news', { ...tagged('offline'), notification: raw, pace })
    return await until('the campaign to start', async () => {
      const { state } = await stack.api.campaign(id)
      return state === 'sending' ? id : undefined
    })
  },
  cancelCampaign: later,
  resumeCampaign: async () => {
    // Enough that it halts long before its end.
    await register('gone', 3000)
    const { id } = await stack.api.createCampaign('news', { ...tagged('gone'), notification: raw })
    return (await halted(stack, id)).id
  },
  approveCampaign: async () => {
    await register('ok', 2)
    const canary = { size: 1, approve: 'manual' } as const
    const { id } = await stack.api.createCampaign('news', { ...tagged('ok'), notification: raw, canary })
    await until('the canary to be settled', async () => {
      const { totals, reason } = await stack.api.campaign(id)
      return totals.accepted === 1 && reason === 'canary' ? true : undefined
    })
    return id
  },
}

test.for(examples)('$name works as the reference shows it', async ({ name, id, type, body }) => {
  const [method = '', path = ''] = name.split(' ')
  const campaign = (await campaignFor[id]?.()) ?? ids['campaign']
  const known: Record<string, string | undefined> = { ...names, campaign, key: ids['key'] }
  if (id === 'deleteApp') await endCampaigns()

  const { statusCode, body: answer } = await request(
    `${stack.apiAccess.url}${path.replaceAll(/\{(\w+)\}/g, (_, part: string) => known[part] ?? 'unknown')}${queries[id] ?? ''}`,
    {
      method: method as 'POST',
      headers: {
        authorization: `Bearer ${stack.apiAccess.apiKey}`,
        ...(type === undefined ? {} : { 'content-type': type }),
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    },
  )

  const text = await answer.text()
  expect({ statusCode, text }).toEqual({ statusCode: expect.toSatisfy(isSuccess), text })
  if (id === 'createCampaign') ids['campaign'] = JSON.parse(text).id
  if (id === 'createKey') ids['key'] = JSON.parse(text).id
})

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300
}

async function later(): Promise<string> {
  const startAt = new Date(Date.now() + 3_600_000).toISOString()
  const { id } = await stack.api.createCampaign('news', { notification: raw, audience: { all: true }, startAt })
  return id
}

let topics = 0
/** Each in a topic of its own, so that none waits for the slot of another. */
function tagged(tag: string) {
  topics += 1
  return { audience: { tags: tag }, topic: `topic-${topics}` }
}

/** Channels that behave so; their behavior is also their tag. */
async function register(behavior: string, count: number): Promise<void> {
  const lines = Array.from(
    { length: count },
    (_, n) =>
      `${JSON.stringify({
        channel: `${behavior}-${n}`,
        uri: `https://db5p.notify.windows.com/?token=${behavior}.any.${n}`,
        tags: [behavior],
      })}\n`,
  )
  await stack.api.importChannels('news', lines, { type: 'ndjson' })
}

async function endCampaigns(): Promise<void> {
  for await (const { id, finishedAt } of stack.api.campaigns('news')) {
    if (finishedAt !== undefined) continue
    await stack.api.cancelCampaign(id)
    await finished(stack, id)
  }
}
