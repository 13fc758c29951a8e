import { spawnSync } from 'node:child_process'
import { root } from './files.ts'
import type { Licenses } from './licenses.ts'
import { unlicensed } from './licenses.ts'

// `pnpm check` runs this over all packages that the images and the command line contain.

const args = ['--filter', './apps/*', '--filter', './packages/*', 'licenses', 'list', '--prod', '--json']
const { stdout, stderr, status, error } = spawnSync('pnpm', args, { cwd: root, encoding: 'utf8', maxBuffer: 1e8 })
if (status !== 0) throw new Error(`pnpm licenses failed: ${error?.message ?? stderr}`)
const licenses = JSON.parse(stdout) as Licenses
const count = Object.values(licenses).flat().length
const found = unlicensed(licenses)
if (count < 50) found.push(`only ${count} packages were listed; run pnpm install`)
for (const line of found) console.error(line)
console.log(`${found.length} findings in the licenses of ${count} packages`)
process.exitCode = found.length === 0 ? 0 : 1
