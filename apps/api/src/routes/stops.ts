import { stopResultSchema } from '@wns-fanout/domain'
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { ApiDeps } from '../deps.ts'
import { notFound } from '../not-found.ts'
import { answers, appPath } from './shapes.ts'

const tags = ['apps']
const WHAT =
  'Within a second no worker starts a post. Campaigns wait, new ones are rejected, and schedules skip their ' +
  'occurrences until `resume-all`. Posts under way are still counted.'

/** The kill switch, of one app and of the installation. */
export function stopRoutes(app: FastifyInstance, { stops }: ApiDeps): void {
  const api = app.withTypeProvider<ZodTypeProvider>()
  const response = answers({ 200: stopResultSchema })

  api.post(
    '/apps/:app/stop-all',
    { schema: { tags, summary: 'Stop everything of an app', description: WHAT, params: appPath, response } },
    async ({ params, caller }) => {
      if (!(await stops.stopApp(params.app, caller?.id ?? ''))) throw notFound('app', params.app)
      return { stopped: true, apps: 1 }
    },
  )

  api.post(
    '/apps/:app/resume-all',
    {
      schema: {
        tags,
        summary: 'End the stop of an app',
        description: 'A stop of the installation and a pause of the app stay.',
        params: appPath,
        response,
      },
    },
    async ({ params }) => {
      if (!(await stops.resumeApp(params.app))) throw notFound('app', params.app)
      return { stopped: false, apps: 1 }
    },
  )

  api.post(
    '/stop-all',
    { schema: { tags, summary: 'Stop everything of all apps', description: WHAT, response } },
    async ({ caller }) => ({ stopped: true, apps: await stops.stopAll(caller?.id ?? '') }),
  )

  api.post(
    '/resume-all',
    {
      schema: {
        tags,
        summary: 'End the stop of all apps',
        description: 'Apps that were stopped or paused one by one stay so.',
        response,
      },
    },
    async () => ({ stopped: false, apps: await stops.resumeAll() }),
  )
}
