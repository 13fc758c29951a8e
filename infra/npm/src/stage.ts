import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'
import { dts } from 'rolldown-plugin-dts'
import { noticesOf } from './notices.ts'
import type { Published } from './packages.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))

/** Write a package into `folder`, ready for `npm pack`. The builds of the workspace must be there, for the types. */
export async function stage({ folder: source, entry, command, ...rest }: Published, folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  const modules = await bundle(join(root, source, 'src', `${entry}.ts`), join(folder, 'dist', `${entry}.js`))
  if (command === undefined) await bundleTypes(join(root, source, 'dist', `${entry}.d.ts`), join(folder, 'dist'))
  await writeFile(join(folder, 'THIRD-PARTY-NOTICES.md'), noticesOf(modules))
  await copyFile(join(root, source, 'README.md'), join(folder, 'README.md'))
  await copyFile(join(root, 'LICENSE'), join(folder, 'LICENSE'))
  const manifest = {
    name: rest.name,
    version: await versionOf(),
    description: rest.description,
    license: 'MIT',
    type: 'module',
    engines: { node: '>=24' },
    ...(command === undefined ? exportsOf(entry) : { bin: { [command]: `dist/${entry}.js` } }),
    files: ['dist', 'THIRD-PARTY-NOTICES.md'],
  }
  await writeFile(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
}

function exportsOf(entry: string): object {
  return {
    exports: { '.': { types: `./dist/${entry}.d.ts`, default: `./dist/${entry}.js` } },
    // The types mention streams of Node.
    peerDependencies: { '@types/node': '>=24' },
    peerDependenciesMeta: { '@types/node': { optional: true } },
  }
}

async function versionOf(): Promise<string> {
  const manifest: unknown = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  if (typeof manifest !== 'object' || manifest === null || !('version' in manifest))
    throw new Error('package.json has no version')
  return String(manifest.version)
}

/** One module with everything but what Node has. Returns the files of which it consists. */
async function bundle(entry: string, file: string): Promise<string[]> {
  const build = await rolldown({
    input: entry,
    platform: 'node',
    // An optional, native part of `pg`.
    external: ['pg-native'],
    resolve: { conditionNames: ['@wns-fanout/source', 'node', 'default'] },
  })
  const { output } = await build.write({ file, format: 'esm', codeSplitting: false })
  await build.close()
  return output.flatMap((part) => (part.type === 'chunk' ? Object.keys(part.modules) : []))
}

async function bundleTypes(input: string, dir: string): Promise<void> {
  const build = await rolldown({
    input,
    plugins: [dts({ dtsOnly: true, sourcemap: false })],
    external: [/^node:/],
    resolve: { conditionNames: ['import', 'node', 'default'] },
    // Types of languages that zod knows, in a form that is not bundled; nothing in ours refers to them.
    onLog: (level, log, handle) => (log.message.includes('/zod/v4/locales/') ? undefined : handle(level, log)),
  })
  await build.write({ dir, format: 'esm' })
  await build.close()
}
