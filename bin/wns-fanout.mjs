#!/usr/bin/env node
// The entry of the command line; the program is TypeScript and runs from source: apps/cli/src/main.ts.
// oxlint-disable-next-line import/no-unassigned-import -- the check is its effect
import './check-node.mjs'
import { existsSync } from 'node:fs'
// An old Node has no such function, and a named import of it would fail before the check.
import * as nodeModule from 'node:module'

if (!existsSync(new URL('../node_modules', import.meta.url))) {
  process.stderr.write('wns-fanout: the packages are not installed; run "npx --yes pnpm@12.21.0 install" first\n')
  process.exit(1)
}

// Resolves our packages to their sources, as `--conditions=@wns-fanout/source` does for child processes.
nodeModule.registerHooks({
  resolve: (specifier, context, nextResolve) =>
    nextResolve(specifier, { ...context, conditions: [...context.conditions, '@wns-fanout/source'] }),
})
void import('../apps/cli/src/main.ts')
