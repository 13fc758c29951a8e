import { createHash } from 'node:crypto'

/** The columns of a usual table of devices. */
export const HEADER = ['device_id', 'channel_url', 'language', 'city'] as const
export const MAPPING = ['--map', 'channel=device_id,uri=channel_url,locale=language', '--tag-from', 'city'] as const

const cities = ['Berlin', 'Hamburg', 'Lyon', 'Porto', 'Turin', 'Vilnius', 'Zagreb', 'Athens']
const languages = ['de-DE', 'fr-FR', 'pt-PT', 'it-IT']
/** Of real channel URIs, whose token has no visible structure. */
const TOKEN_CHARACTERS = 143

/** The nth row: an id of 36 characters and a URI of about 190. */
export function deviceRow(n: number): Readonly<Record<(typeof HEADER)[number], string>> {
  const hash = createHash('sha512').update(`device ${n}`).digest()
  const hex = hash.toString('hex')
  const token = `${hash.toString('base64url')}${hash.toString('base64url')}`.slice(0, TOKEN_CHARACTERS)
  return {
    device_id: [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-'),
    channel_url: `https://db5p.notify.windows.com/?token=ok.any.${token}`,
    language: languages[n % languages.length] ?? '',
    city: cities[n % cities.length] ?? '',
  }
}
