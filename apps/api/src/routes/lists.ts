import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { ApiDeps } from '../deps.ts'
import { notFound } from '../not-found.ts'
import { answers, listPath, nothing } from './shapes.ts'
import { listSchema } from './uploads.ts'

const tags = ['lists']

export function listRoutes(app: FastifyInstance, { lists }: ApiDeps): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  api.get(
    '/apps/:app/lists/:list',
    { schema: { tags, summary: 'A list', params: listPath, response: answers({ 200: listSchema }) } },
    async ({ params }) => {
      const list = await lists.get(params.app, params.list)
      if (list === null) throw notFound('list', params.list)
      return { list: params.list, ...list }
    },
  )

  api.delete(
    '/apps/:app/lists/:list',
    { schema: { tags, summary: 'Forget a list', params: listPath, response: answers({ 204: nothing }) } },
    async ({ params }, reply) => {
      if (!(await lists.delete(params.app, params.list))) throw notFound('list', params.list)
      return reply.code(204).send(null)
    },
  )
}
