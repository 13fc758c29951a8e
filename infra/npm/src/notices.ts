import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { licenseTexts } from './license-texts.ts'

/** The licenses of the libraries whose modules are in a bundle. Throws for a library without a license text. */
export function noticesOf(modules: readonly string[]): string {
  const folders = [...new Set(modules.flatMap((module) => folderOf(module) ?? []))]
  const notices = folders.map((folder) => noticeOf(folder)).toSorted((a, b) => (a.name < b.name ? -1 : 1))
  return [
    '# Third-party notices',
    '',
    'This package contains these libraries:',
    ...notices.map(({ name, version, license, text }) => `\n## ${name} ${version} (${license})\n\n${text.trim()}`),
    '',
  ].join('\n')
}

/** The folder with the manifest of the library that a module belongs to; undefined for our own modules. */
function folderOf(module: string): string | undefined {
  if (!module.includes('/node_modules/')) return undefined
  for (let folder = dirname(module); ; folder = dirname(folder)) {
    const manifest = join(folder, 'package.json')
    // Some libraries have manifests in their folders, with nothing but the type of the modules.
    if (existsSync(manifest) && readManifest(manifest)['name'] !== undefined) return folder
    if (dirname(folder) === folder) return undefined
  }
}

function noticeOf(folder: string): { name: string; version: string; license: string; text: string } {
  const { name, version, license } = readManifest(join(folder, 'package.json'))
  const file = readdirSync(folder).find((entry) => /^licen[sc]e/i.test(entry))
  const fallback = licenseTexts[String(name)] ?? licenseIn(join(folder, 'README.md'))
  const text = file === undefined ? fallback : readFileSync(join(folder, file), 'utf8')
  if (text === undefined) throw new Error(`${String(name)} has no license file; find its license before it is bundled`)
  return { name: String(name), version: String(version), license: String(license), text }
}

/** Some libraries have their license in the README only. */
function licenseIn(readme: string): string | undefined {
  const text = existsSync(readme) ? readFileSync(readme, 'utf8') : ''
  return /^#+ licen[sc]e\s*\n([\s\S]+)$/im.exec(text)?.[1]
}

function readManifest(path: string): Record<string, unknown> {
  return JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
}
