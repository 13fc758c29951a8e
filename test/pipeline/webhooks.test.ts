import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { temporaryFolder } from '@wns-fanout/local'
import { until } from '@wns-fanout/testing'
import { generate } from 'selfsigned'
import { Webhook } from 'standardwebhooks'
import { expect, onTestFinished, test } from 'vitest'
import { registerApp } from '../support/apps.ts'
import { finished } from '../support/campaigns.ts'
import { startTestStack } from '../support/stack.ts'
import { tile } from './support.ts'

interface Event {
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
}

/** An HTTPS server that is called `localhost`, refuses the first requests and takes the others. */
async function startReceiver(refused: number) {
  const made = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] },
    ],
  })
  const attempts: { readonly headers: Record<string, string>; readonly body: string; readonly taken: boolean }[] = []
  const server = createServer({ key: made.private, cert: made.cert }, (request, response) => {
    let body = ''
    request.on('data', (piece: Buffer) => {
      body += piece.toString()
    })
    request.on('end', () => {
      const taken = attempts.length >= refused
      attempts.push({ headers: request.headers as Record<string, string>, body, taken })
      response.writeHead(taken ? 204 : 503).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return { attempts, ca: made.cert, url: `https://localhost:${(server.address() as AddressInfo).port}/hooks` }
}

test('a webhook gets its events, although the receiver fails and the leader is killed', async () => {
  const receiver = await startReceiver(1)
  const folder = await temporaryFolder('wns-fanout-hooks-')
  onTestFinished(() => folder[Symbol.asyncDispose]())
  const caFile = join(folder.path, 'ca.pem')
  await writeFile(caFile, receiver.ca)
  const env = {
    WNS_FANOUT_WEBHOOK_PRIVATE_HOSTS: 'localhost',
    WNS_FANOUT_WEBHOOK_CA_FILE: caFile,
    WNS_FANOUT_AUDIT_STDOUT: '0',
  }
  await using stack = await startTestStack({ apiEnv: env })
  const leader = await stack.startWorker({ ...env, WNS_FANOUT_LOCK_MS: '4000' })
  await registerApp(stack, 'hooks', ['ok', 'ok', 'gone', 'gone'])
  const { secret = '' } = await stack.api.putWebhook('hooks', 'ops', { url: receiver.url })
  const { id } = await stack.api.createCampaign('hooks', tile)
  await finished(stack, id)
  await until('the first attempt', () => (receiver.attempts.length > 0 ? true : undefined))
  process.kill(leader.pid, 'SIGKILL')
  await stack.startWorker({ ...env, WNS_FANOUT_LOCK_MS: '4000' })

  const verified = () =>
    receiver.attempts
      .filter(({ taken }) => taken)
      .map(({ headers, body }) => new Webhook(secret).verify(body, headers) as Event)
  const has = (type: string) => verified().find((event) => event.type === type)
  await until('both events', () => (has('campaign.finished') && has('channels.removed') ? true : undefined))
  expect(has('campaign.finished')?.data).toMatchObject({
    campaign: id,
    state: 'completed',
    audienceSize: 4,
    totals: { accepted: 2, dead: 2 },
  })
  expect(has('channels.removed')?.data).toMatchObject({ count: 2 })
  const ids = new Set(receiver.attempts.map(({ headers }) => headers['webhook-id']))
  expect(ids.size).toBe(2)
  expect(receiver.attempts[1]?.headers['webhook-id']).toBe(receiver.attempts[0]?.headers['webhook-id'])

  const { items } = await stack.api.appEvents('hooks')
  expect(items.map(({ type }) => type).toSorted()).toEqual(['campaign.finished', 'channels.removed'])
  expect(await stack.api.testWebhook('hooks', 'ops')).toMatchObject({ delivered: true, status: 204 })
  expect((await stack.api.webhook('hooks', 'ops')).delivery).toMatchObject({ failures: 0, cursor: items.at(-1)?.id })
})
