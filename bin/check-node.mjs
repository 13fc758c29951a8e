// Ends the process with a readable error when this Node cannot run the sources. It is plain JavaScript without
// dependencies and without recent syntax, so that every Node can run it.
import { readFileSync } from 'node:fs'

const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
const needed = manifest.engines.node.replace('>=', '')

if (isOlder(process.versions.node, needed)) {
  const pnpmWouldHelp = process.env.npm_lifecycle_event === undefined && process.platform === 'linux'
  process.stderr.write(
    `wns-fanout needs Node ${needed} or newer; found Node ${process.versions.node} (${process.execPath}).\n` +
      (pnpmWouldHelp
        ? `Run the command through pnpm, which installs a Node of its own on Linux (x64, arm64), for example:\n` +
          `  npx --yes ${manifest.packageManager} demo\n`
        : `Install Node ${needed.split('.')[0]} and put it first in PATH (macOS: brew install node@24).\n`),
  )
  process.exit(1)
}

function isOlder(version, minimum) {
  const is = version.split('.').map(Number)
  const least = minimum.split('.').map(Number)
  for (let part = 0; part < least.length; part += 1) if (is[part] !== least[part]) return is[part] < least[part]
  return false
}
