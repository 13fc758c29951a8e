import { readFileSync } from 'node:fs'

// Sources and builds are both one folder below the manifest.
const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))

/** The version of wns-fanout; all manifests have the same. */
export const version = String(typeof manifest === 'object' && manifest !== null ? Reflect.get(manifest, 'version') : '')
