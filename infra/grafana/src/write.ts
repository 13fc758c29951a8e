import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { dashboards } from './index.ts'

// Writes the dashboards that Grafana loads, as `pnpm generate:dashboards`.
const folder = fileURLToPath(new URL('../dashboards/', import.meta.url))
mkdirSync(folder, { recursive: true })
for (const [name, made] of dashboards) writeFileSync(`${folder}${name}.json`, `${JSON.stringify(made, null, 2)}\n`)
