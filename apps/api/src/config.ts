import { crashPoints } from '@wns-fanout/fanout'
import { baseConfig, crashAtVariable, variable } from '@wns-fanout/runtime'
import * as z from 'zod'

const { WNS_FANOUT_LANES: _lanes, WNS_FANOUT_LOCK_MS: _lockMs, WNS_FANOUT_APPS: _apps, ...shared } = baseConfig

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
  WNS_CRASH_AT: crashAtVariable(crashPoints),
})
export type ApiConfig = z.infer<typeof apiConfigSchema>
