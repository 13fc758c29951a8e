/** What `pnpm licenses list --json` prints: the packages of each license. */
export type Licenses = Readonly<
  Record<string, readonly { readonly name: string; readonly versions: readonly string[] }[]>
>

/** Licenses under which everything that the images contain may be passed on, with their texts. */
const allowed: ReadonlySet<string> = new Set([
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'CC0-1.0',
  'ISC',
  'MIT',
  'Unlicense',
])

/** Packages whose license is not allowed. One of several that may be chosen is enough. */
export function unlicensed(licenses: Licenses): string[] {
  return Object.entries(licenses).flatMap(([license, packages]) =>
    isAllowed(license) ? [] : packages.map(({ name, versions }) => `${name} ${versions.join(', ')}: ${license}`),
  )
}

function isAllowed(license: string): boolean {
  const text = license.replaceAll(/[()]/g, '')
  return text.split(' OR ').some((choice) => choice.split(' AND ').every((one) => allowed.has(one.trim())))
}
