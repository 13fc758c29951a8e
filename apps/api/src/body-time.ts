import { Problem } from '@wns-fanout/domain'
import type { FastifyInstance } from 'fastify'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The body is a stream of lines that may take any time; its reader limits the breaks in it. */
    readonly isUpload?: boolean
  }
}

/** Answers 408 when the body of a request has not arrived after `bodyMs`. Uploads are left to their readers. */
export function limitBodyTime(app: FastifyInstance, bodyMs: number): void {
  app.addHook('onRequest', async ({ raw, routeOptions, headers }, reply) => {
    const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
    if (!hasBody || routeOptions.config.isUpload === true) return
    const timer = setTimeout(() => {
      if (raw.complete || reply.sent) return
      reply.send(new Problem('timeout', `the body did not arrive within ${bodyMs / 1000} s; send it again`))
    }, bodyMs)
    raw.once('close', () => clearTimeout(timer))
    raw.once('end', () => clearTimeout(timer))
  })
}
