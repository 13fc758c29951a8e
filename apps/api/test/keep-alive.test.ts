import { Agent, request } from 'node:http'
import { expect, onTestFinished, test } from 'vitest'
import { buildServer } from '../src/server.ts'
import { setup } from './support.ts'

function keepAliveOf(url: string, agent: Agent): Promise<unknown> {
  return new Promise((resolve, reject) => {
    request(`${url}/v1/apps`, { agent }, (response) => {
      response.resume()
      resolve(response.headers['keep-alive'])
    })
      .on('error', reject)
      .end()
  })
}

test('an idle connection is kept for 90 s, longer than load balancers keep theirs, or as configured', async () => {
  const { url, deps } = await setup()
  const other = await buildServer(deps, { keepAliveMs: 620_000 })
  const agent = new Agent({ keepAlive: true })
  onTestFinished(async () => {
    agent.destroy()
    await other.close()
  })
  expect(await keepAliveOf(url, agent)).toBe('timeout=90')
  expect(await keepAliveOf(await other.listen({ host: '127.0.0.1', port: 0 }), agent)).toBe('timeout=620')
})
