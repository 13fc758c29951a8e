import type { ApiVerb } from '@wns-fanout/domain'
import type { FastifyRequest } from 'fastify'
import type { Load } from './open-requests.ts'

/**
 * The right that each route needs, decided only here: the API does not start with a route that is missing here. `scope`
 * is how the app is found: by its name in the path, by the campaign in the path, all apps of the key, or the whole
 * installation (only keys for all apps).
 */
export interface Rule {
  readonly verb: ApiVerb
  readonly scope: 'app' | 'campaign' | 'visible' | 'installation'
  readonly load: Load
}

function app(verb: ApiVerb, load: Load = 'light'): Rule {
  return { verb, scope: 'app', load }
}
function campaign(verb: ApiVerb, load: Load = 'light'): Rule {
  return { verb, scope: 'campaign', load }
}
const installation: Rule = { verb: 'admin', scope: 'installation', load: 'light' }

export const rules: Readonly<Record<string, Rule>> = {
  'GET /v1/apps': { verb: 'read', scope: 'visible', load: 'light' },
  'PUT /v1/apps/:app': app('admin'),
  'PATCH /v1/apps/:app': app('admin'),
  'GET /v1/apps/:app': app('read'),
  'DELETE /v1/apps/:app': app('admin', 'heavy'),
  'POST /v1/apps/:app/verify': app('admin', 'heavy'),
  'POST /v1/apps/:app/pause': app('admin'),
  'POST /v1/apps/:app/resume': app('admin'),

  'POST /v1/apps/:app/stop-all': app('admin'),
  'POST /v1/apps/:app/resume-all': app('admin'),

  'GET /v1/apps/:app/channels': app('read', 'heavy'),
  'PUT /v1/apps/:app/channels/:channel': app('register'),
  'PATCH /v1/apps/:app/channels/:channel': app('register'),
  'GET /v1/apps/:app/channels/:channel': app('read'),
  'DELETE /v1/apps/:app/channels/:channel': app('register'),
  'POST /v1/apps/:app/channels/:channel/active': app('register'),
  'PUT /v1/apps/:app/channels/:channel/opt-out': app('register'),
  'DELETE /v1/apps/:app/channels/:channel/opt-out': app('register'),
  'POST /v1/apps/:app/channels::import': app('register', 'heavy'),
  'POST /v1/apps/:app/channels::remove-missing': app('register', 'heavy'),
  'POST /v1/apps/:app/channels::cleanup': app('register', 'heavy'),
  'POST /v1/apps/:app/channels::tag': app('register', 'heavy'),
  'POST /v1/apps/:app/channels::untag': app('register', 'heavy'),
  'POST /v1/apps/:app/channels::delete': app('register', 'heavy'),
  'POST /v1/apps/:app/channels::opt-out': app('register', 'heavy'),
  'POST /v1/apps/:app/channels::opt-in': app('register', 'heavy'),
  'POST /v1/apps/:app/channels::activate': app('register', 'heavy'),
  // It shows the URIs, which are capabilities, so reading alone is not enough.
  'GET /v1/apps/:app/channels::export': app('admin', 'heavy'),
  'POST /v1/apps/:app/channels::count': app('read'),

  'PUT /v1/apps/:app/lists/:list': app('send', 'heavy'),
  'GET /v1/apps/:app/lists/:list': app('read'),
  'DELETE /v1/apps/:app/lists/:list': app('send'),

  'PUT /v1/apps/:app/schedules/:schedule': app('send'),
  'GET /v1/apps/:app/schedules/:schedule': app('read'),
  'DELETE /v1/apps/:app/schedules/:schedule': app('send'),
  'GET /v1/apps/:app/schedules': app('read', 'heavy'),

  'GET /v1/apps/:app/events': app('read'),
  // The URL of a webhook may be a capability, so reading alone is not enough.
  'PUT /v1/apps/:app/webhooks/:webhook': app('admin'),
  'GET /v1/apps/:app/webhooks/:webhook': app('admin'),
  'DELETE /v1/apps/:app/webhooks/:webhook': app('admin'),
  'GET /v1/apps/:app/webhooks': app('admin'),
  'POST /v1/apps/:app/webhooks/:webhook/test': app('admin', 'heavy'),

  'PUT /v1/apps/:app/templates/:template': app('send'),
  'GET /v1/apps/:app/templates/:template': app('read'),
  'DELETE /v1/apps/:app/templates/:template': app('send'),
  'GET /v1/apps/:app/templates': app('read', 'heavy'),
  // It shows the variables of a channel, which reading alone does not.
  'POST /v1/apps/:app/campaigns::preview': app('send'),

  'POST /v1/apps/:app/campaigns': app('send'),
  'GET /v1/apps/:app/campaigns': app('read'),
  'GET /v1/campaigns': { verb: 'read', scope: 'visible', load: 'heavy' },
  'GET /v1/campaigns/:campaign': campaign('read'),
  'POST /v1/campaigns/:campaign/pause': campaign('send'),
  'POST /v1/campaigns/:campaign/resume': campaign('send'),
  'POST /v1/campaigns/:campaign/cancel': campaign('send'),
  'POST /v1/campaigns/:campaign/approve': campaign('send'),
  'POST /v1/campaigns/:campaign/retry': campaign('send'),
  'POST /v1/campaigns/:campaign/retry-failed': campaign('send'),
  'GET /v1/campaigns/:campaign/events': campaign('read', 'stream'),
  'GET /v1/campaigns/:campaign/results': campaign('read', 'heavy'),
  'GET /v1/campaigns/:campaign/samples': campaign('read'),

  // Which entries it shows is decided by the apps of the key.
  'GET /v1/audit': { verb: 'admin', scope: 'visible', load: 'heavy' },

  'POST /v1/stop-all': installation,
  'POST /v1/resume-all': installation,

  'POST /v1/keys': installation,
  'GET /v1/keys': installation,
  'DELETE /v1/keys/:key': installation,
}

/** The rule of the route of a request; undefined outside of the API's own routes. */
export function ruleOf({ method, routeOptions }: Pick<FastifyRequest, 'method' | 'routeOptions'>): Rule | undefined {
  return rules[`${method} ${routeOptions.url}`]
}
