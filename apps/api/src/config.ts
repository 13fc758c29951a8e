import { isIP } from 'node:net'
import { crashPoints } from '@wns-fanout/fanout'
import { baseConfig, crashAtVariable, integer, variable } from '@wns-fanout/runtime'
import * as z from 'zod'

const { WNS_FANOUT_LANES: _lanes, WNS_FANOUT_LOCK_MS: _lockMs, WNS_FANOUT_APPS: _apps, ...shared } = baseConfig

/** A count of proxies or "all" is not offered: a client that reaches the API directly could then choose its address. */
const trustedProxies = z
  .string()
  .default('')
  .transform((text) => text.split(',').flatMap((part) => part.trim() || []))
  .refine((parts) => parts.every((part) => isNetwork(part)))

function isNetwork(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/')
  const family = isIP(address)
  if (family === 0 || rest.length > 0) return false
  return (
    bits === undefined || (/^[0-9]{1,3}$/.test(bits) && Number(bits) >= 1 && Number(bits) <= (family === 4 ? 32 : 128))
  )
}

/** The environment of the API. */
export const apiConfigSchema = z.object({
  ...shared,
  WNS_FANOUT_BOOTSTRAP_KEY_FILE: variable(z.string().optional(), {
    wanted: 'the path of a file that may be written',
    example: './.wns-fanout/api-key',
    meaning: 'The API keeps a key that may do everything in this file (mode 0600), for a stack on one machine.',
    usedBy: ['api'],
    secret: false,
  }),
  WNS_FANOUT_KEEP_ALIVE_MS: variable(integer(1000, 3_600_000, 90_000), {
    wanted: 'an integer from 1000 to 3600000 (milliseconds)',
    example: '90000',
    meaning:
      'How long the API keeps an idle connection; must exceed the idle timeout of a load balancer in front of it.',
    default: '90000',
    usedBy: ['api'],
  }),
  WNS_FANOUT_KEY_REQUESTS_PER_SECOND: variable(integer(1, 1_000_000, 1000), {
    wanted: 'an integer from 1 to 1000000 (requests per second)',
    example: '1000',
    meaning: 'Requests per second that one API key may make of one API process; twice as many at once.',
    default: '1000',
    usedBy: ['api'],
  }),
  WNS_FANOUT_DOCS: variable(
    z
      .enum(['0', '1'])
      .default('1')
      .transform((text) => text === '1'),
    {
      wanted: '0 or 1',
      example: '0',
      meaning: 'With 0 the API serves neither /openapi.json nor /docs.',
      default: '1',
      usedBy: ['api'],
    },
  ),
  WNS_FANOUT_TRUST_PROXY: variable(trustedProxies, {
    wanted: 'addresses and networks, separated by commas, such as 10.0.0.0/8,fd00::/8',
    example: '10.0.0.0/8',
    meaning:
      'The proxies in front of the API, whose `X-Forwarded-For` has the address of the client. Without it, all clients ' +
      'behind a proxy count as one source of wrong keys.',
    usedBy: ['api'],
  }),
  WNS_CRASH_AT: crashAtVariable(crashPoints),
})
export type ApiConfig = z.infer<typeof apiConfigSchema>
