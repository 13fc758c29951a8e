import type { RecipientClass } from '@wns-fanout/domain'

/** One kind of device in the demo's audience. */
export interface Kind {
  /** The behavior that the simulator reads from the channel address. */
  readonly behavior: string
  readonly perMille: number
  /** The expected class; null where the simulator decides at random. */
  readonly expected: RecipientClass | null
  readonly meaning: string
}

/** Roughly a registry from which dead channels were not removed for a while. The shares sum to 1000. */
export const mix: readonly Kind[] = [
  { behavior: 'ok', perMille: 940, expected: 'accepted', meaning: 'accepts it' },
  { behavior: 'dropped', perMille: 15, expected: 'dropped', meaning: '200, but not delivered to the device' },
  { behavior: 'gone', perMille: 12, expected: 'dead', meaning: '410: the address expired; the channel is removed' },
  { behavior: 'unknown', perMille: 6, expected: 'dead', meaning: '404: no such address; the channel is removed' },
  { behavior: 'throttled', perMille: 6, expected: 'accepted', meaning: 'asks for a pause of 2 s, then accepts it' },
  {
    behavior: 'forbidden',
    perMille: 5,
    expected: 'rejected',
    meaning: '403: belongs to another app; not retried',
  },
  { behavior: 'error', perMille: 4, expected: 'failed', meaning: '500 every time, until no attempts are left' },
  { behavior: 'flaky-40', perMille: 8, expected: null, meaning: '500 for four posts out of ten' },
  { behavior: 'slow-150', perMille: 4, expected: 'accepted', meaning: 'answers after 150 ms' },
]

const hosts = ['db5p', 'am3p', 'wns2-by3p', 'bn1', 'sg2p', 'hk2', 'db3', 'wns2-pn1']
const locales = ['en', 'en', 'de', 'pt-BR', 'ja']

const upTo: readonly { readonly kind: Kind; readonly below: number }[] = mix.map((kind, index) => ({
  kind,
  below: mix.slice(0, index + 1).reduce((sum, { perMille }) => sum + perMille, 0),
}))

/** The kind of device number `n`: spread evenly over the numbers, and the same in every run. */
export function kindOf(n: number): Kind {
  const random = Math.floor((scramble(n) / 2 ** 32) * 1000)
  const found = upTo.find(({ below }) => random < below)
  if (found === undefined) throw new RangeError(`the shares of the mix do not reach ${random} of 1000`)
  return found.kind
}

export function channelOf(n: number): string {
  return `device-${String(n).padStart(8, '0')}`
}
/** The number in a channel id or a simulator token of the demo; undefined for any other text. */
export function numberOf(text: string): number | undefined {
  const digits = /(?:^device-|\.)(\d+)$/.exec(text)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

/** Line `n` of the import file, with its newline; `owner` is the client id that the address belongs to. */
export function importLine(n: number, owner: string): string {
  const host = hosts[scramble(n + 1) % hosts.length]
  const uri = `https://${host}.notify.windows.com/?token=${kindOf(n).behavior}.${owner}.${n}`
  const tags = n % 3 === 0 ? ['news', 'sport'] : n % 10 === 0 ? ['news', 'beta'] : ['news']
  return `${JSON.stringify({ channel: channelOf(n), uri, tags, locale: locales[n % locales.length] })}\n`
}

/** A bijection of 32-bit numbers without a pattern (the finalizer of murmur3). */
function scramble(n: number): number {
  let hash = Math.imul(n ^ (n >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
