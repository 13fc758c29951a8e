import type { Campaign } from '@wns-fanout/domain'
import { until } from '@wns-fanout/testing'
import { expect, test } from 'vitest'
import { finished } from '../support/campaigns.ts'
import { registerApp } from '../support/apps.ts'
import type { TestStack } from '../support/stack.ts'
import { startTestStack } from '../support/stack.ts'
import { mulberry32 } from '../model/random.ts'
import { some } from './support.ts'

// A week of an app that syncs by raw notifications. Its devices sleep and wake, register again, lose and regain focus.
// A gate depends on the order of events and not on the time between them, so a day takes as long as its campaigns.

const APP = 'week'
const DEVICES = 40
const DAYS = 7
const CAMPAIGNS_A_DAY = 2

/** What the simulator answers for a device: its app runs, the device sleeps, or the app is not in focus. */
type Presence = 'ok' | 'sleeping' | 'dropped'

interface Device {
  readonly channel: string
  presence: Presence
  /** Counts its channel URIs. */
  uris: number
  isGated: boolean
}

function tokenOf({ channel, uris }: Device): string {
  return `ok.any.${APP}-${channel}-${uris}`
}

async function becomes(stack: TestStack, device: Device, presence: Presence): Promise<void> {
  device.presence = presence
  await stack.control('PUT', '/v1/devices', { token: tokenOf(device), behavior: presence })
}

async function register(stack: TestStack, device: Device): Promise<void> {
  const uri = `https://db5p.notify.windows.com/?token=${tokenOf(device)}`
  await stack.api.putChannel(APP, device.channel, { uri })
  await becomes(stack, device, 'ok')
  device.isGated = false
}

const events: Readonly<Record<string, (stack: TestStack, device: Device) => Promise<void>>> = {
  sleeps: (stack, device) => becomes(stack, device, 'sleeping'),
  'loses focus': (stack, device) => becomes(stack, device, 'dropped'),
  'regains focus': async (stack, device) => {
    await becomes(stack, device, 'ok')
    await stack.api.channelActive(APP, device.channel)
    device.isGated = false
  },
  'registers again': register,
  'gets another URI': async (stack, device) => {
    device.uris += 1
    await register(stack, device)
  },
  'does nothing': async () => {},
}

/** What a raw notification does to a device, and to its gate. */
function receive(device: Device, isCached: boolean): 'accepted' | 'dropped' | 'gated' {
  if (device.isGated) return 'gated'
  if (device.presence === 'ok' || (device.presence === 'sleeping' && isCached)) return 'accepted'
  device.isGated = true
  return 'dropped'
}

async function send(stack: TestStack, devices: readonly Device[], isCached: boolean): Promise<Campaign> {
  // An app that called in the second of a post may have done so after it, so its gate would stay open.
  const second = Math.floor(Date.now() / 1000)
  await until('the next second', async () => (Math.floor(Date.now() / 1000) > second ? true : undefined))
  const { id } = await stack.api.createCampaign(APP, {
    notification: { type: 'raw', text: 'sync', ...(isCached ? { cachePolicy: 'cache' } : {}) },
    audience: { channels: devices.map(({ channel }) => channel) },
    update: 'personalized',
  })
  return await finished(stack, id)
}

async function gatedChannels(stack: TestStack): Promise<string[]> {
  const channels = await Array.fromAsync(stack.api.channels(APP))
  return channels.filter(({ rawGate }) => rawGate === 'closed').map(({ channel }) => channel)
}

test('in a week of a raw app, no channel stays gated after its app called or registered', async () => {
  await using stack = await startTestStack()
  await stack.startWorker()
  await registerApp(stack, APP, [])
  const random = mulberry32(20_261_127)
  const names = Object.keys(events)
  const devices = Array.from({ length: DEVICES }, (_, at): Device => {
    return { channel: `d${at}`, presence: 'ok', uris: 0, isGated: false }
  })
  await Promise.all(devices.map((device) => register(stack, device)))
  const seen = new Set<string>()
  for (let at = 0; at < DAYS * CAMPAIGNS_A_DAY; at += 1) {
    for (const device of devices) {
      const name = names[Math.floor(random() * names.length)] ?? ''
      if (name !== 'does nothing') seen.add(`${name}, ${device.isGated ? 'gated' : 'open'}`)
      await events[name]?.(stack, device)
    }
    const called = devices.filter(({ isGated }) => !isGated).map(({ channel }) => channel)
    expect((await gatedChannels(stack)).filter((channel) => called.includes(channel))).toEqual([])
    const isCached = at % 3 === 2
    const expected: Record<string, number> = {}
    for (const device of devices) {
      const result = receive(device, isCached)
      expected[result] = (expected[result] ?? 0) + 1
    }
    const { totals } = await send(stack, devices, isCached)
    expect(some(totals), `campaign ${at}`).toEqual(expected)
    expect(await gatedChannels(stack)).toEqual(devices.filter(({ isGated }) => isGated).map(({ channel }) => channel))
  }
  // The week had every event of open and of gated devices.
  const all = names.filter((name) => name !== 'does nothing').flatMap((name) => [`${name}, gated`, `${name}, open`])
  expect([...seen].toSorted()).toEqual(all.toSorted())
  const open = await stack.api.countChannels(APP, { gate: 'open' })
  expect(open.count).toBe(devices.filter(({ isGated }) => !isGated).length)
  // On Monday every app starts.
  await Promise.all(devices.map((device) => register(stack, device)))
  expect(await gatedChannels(stack)).toEqual([])
  expect(some((await send(stack, devices, false)).totals)).toEqual({ accepted: DEVICES })
}, 240_000)
