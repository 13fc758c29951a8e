import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { execFileSync } from 'node:child_process'
import { published } from './packages.ts'
import { stage } from './stage.ts'

// Usage: pnpm pack:npm [folder]. Writes the tarballs of the packages for npm into the folder, and prints their names.
const out = resolve(process.argv[2] ?? 'infra/npm/dist/tarballs')
await mkdir(out, { recursive: true })
for (const one of published) {
  const folder = join(out, `.${one.command ?? 'client'}`)
  await stage(one, folder)
  const name = execFileSync('npm', ['pack', '--silent', '--pack-destination', out], { cwd: folder, encoding: 'utf8' })
  process.stdout.write(`${join(out, name.trim())}\n`)
}
