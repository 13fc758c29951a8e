/** A package as it is published: one bundle without dependencies. */
export interface Published {
  /** The name on npm. */
  readonly name: string
  readonly description: string
  /** Its folder in the workspace; its README is published. */
  readonly folder: string
  /** The module that is bundled, in that folder. */
  readonly entry: string
  /** The name of the command that it has, instead of exports. */
  readonly command?: string
}

export const published: readonly Published[] = [
  {
    name: '@wns-fanout/client',
    description: 'A typed client of the HTTP API of wns-fanout: broadcast campaigns to Windows devices through WNS',
    folder: 'packages/client',
    entry: 'index',
  },
  {
    name: 'wns-fanout',
    description: 'The command line of wns-fanout: broadcast campaigns to Windows devices through WNS',
    folder: 'apps/cli',
    entry: 'main',
    command: 'wns-fanout',
  },
]
