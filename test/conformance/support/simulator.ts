import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LanePool, LanePoolOptions, Transport } from '@wns-fanout/wns'
import { createLanePool, createTransport } from '@wns-fanout/wns'
import type { FaultsDocument } from '@wns-fanout/wns-simulator'
import { startSimulator } from '@wns-fanout/wns-simulator'
import { request } from 'undici'
import { type SimulatorStats, simulatorStats } from '../../support/simulator.ts'

export const SID = 'S-1-15-2-1111-2222-3333'
export const credentials = { kind: 'store', packageSid: SID, clientSecret: 'secret' } as const

/** The simulator with our transport and lanes before it. */
export interface Simulated extends AsyncDisposable {
  readonly transport: Transport
  readonly pool: LanePool
  faults(document: FaultsDocument): Promise<void>
  stats(): Promise<SimulatorStats>
}

export async function startSimulated(options: LanePoolOptions = {}): Promise<Simulated> {
  const folder = await mkdtemp(join(tmpdir(), 'wns-conformance-'))
  const simulator = await startSimulator({ caFile: join(folder, 'ca.pem') })
  const transport = createTransport({ routeTo: `${simulator.host}:${simulator.port}`, caFile: simulator.caFile })
  const pool = createLanePool(transport, options)
  return {
    transport,
    pool,
    faults: async (document) => {
      const { statusCode, body } = await request(`${simulator.control}/v1/faults`, {
        method: 'PUT',
        body: JSON.stringify(document),
      })
      const text = await body.text()
      if (statusCode !== 200) throw new Error(text)
    },
    stats: () => simulatorStats({ simulator }),
    [Symbol.asyncDispose]: async () => {
      pool.abortAll()
      await pool.stop()
      await simulator.stop()
      await rm(folder, { recursive: true })
    },
  }
}
