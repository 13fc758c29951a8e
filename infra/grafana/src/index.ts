/** The dashboards as data. `pnpm generate:dashboards` writes them to the folder `dashboards`, which Grafana loads. */
import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard'
import { delivery } from './delivery.ts'
import { dashboard } from './frame.ts'
import { internals } from './internals.ts'
import { overview } from './overview.ts'

export { addresses } from './addresses.ts'

/** By the name of their file, without `.json`. */
export const dashboards: ReadonlyMap<string, Dashboard> = new Map(
  [overview, delivery, internals].map((content) => [content.name, dashboard(content)]),
)
