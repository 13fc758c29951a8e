import type { OpsServerOptions } from './ops-server.ts'
import { readOpsToken } from './ops-token.ts'

export interface OpsPortConfig {
  readonly WNS_FANOUT_HOST: string
  readonly WNS_FANOUT_OPS_HOST?: string | undefined
  readonly WNS_FANOUT_OPS_TOKEN_FILE?: string | undefined
  readonly WNS_FANOUT_SCRAPE_CACHE_MS: number
  readonly OPS_PORT: number
}

/** What the variables decide about the ops port of a process. Rejects when the file of the token has none. */
export async function opsPortOf(
  config: OpsPortConfig,
): Promise<Pick<OpsServerOptions, 'host' | 'port' | 'token' | 'scrapeCacheMs'>> {
  return {
    host: config.WNS_FANOUT_OPS_HOST ?? config.WNS_FANOUT_HOST,
    port: config.OPS_PORT,
    token: await readOpsToken(config.WNS_FANOUT_OPS_TOKEN_FILE),
    scrapeCacheMs: config.WNS_FANOUT_SCRAPE_CACHE_MS,
  }
}
