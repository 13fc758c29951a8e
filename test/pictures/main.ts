import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { temporaryFolder } from '@wns-fanout/local'
import { root } from '../repo/files.ts'
import { committedDashboard, dashboardNames } from '../support/dashboards.ts'
import { prometheusFolders } from '../support/prometheus.ts'
import { type Drawing, drawingOf } from './data.ts'
import { playScene } from './scene.ts'

// Draws the committed dashboards during campaigns, for the documentation, as `pnpm generate:pictures`. It needs
// Chromium and takes five minutes. It needs no Grafana: a small page draws the same queries.

const run = promisify(execFile)
const WIDTH = 1600
const ROW_HEIGHT = 34
const HEADER_HEIGHT = 60

const [prometheus] = await prometheusFolders()
if (prometheus === undefined) throw new Error('the pictures need Prometheus: install it, or run on Debian or Ubuntu')
const folder = await temporaryFolder('wns-fanout-pictures-')
try {
  console.log('Three campaigns run for four minutes …')
  await using scene = await playScene(prometheus, folder.path)
  const end = Date.now() / 1000
  for (const name of dashboardNames) {
    const range = { start: scene.startSeconds - 5, end, step: 2 }
    const drawing = await drawingOf(committedDashboard(name), scene.prometheus, range)
    await shoot(drawing, join(folder.path, `${name}.html`), join(root, 'docs/pictures', `${name}.png`))
    console.log(`docs/pictures/${name}.png`)
  }
} finally {
  await folder.remove()
}

async function shoot(drawing: Drawing, page: string, picture: string): Promise<void> {
  writeFileSync(page, pageOf(drawing))
  const rows = Math.max(...drawing.panels.map(({ gridPos: { y, h } }) => y + h))
  await run('chromium', [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--hide-scrollbars',
    `--window-size=${WIDTH},${rows * ROW_HEIGHT + HEADER_HEIGHT}`,
    `--screenshot=${picture}`,
    `file://${page}`,
  ])
}

function own(file: string): string {
  return readFileSync(new URL(file, import.meta.url), 'utf8')
}

function pageOf(drawing: Drawing): string {
  const library = createRequire(import.meta.url).resolve('uplot')
  const script = readFileSync(join(library, '../uPlot.iife.min.js'), 'utf8')
  const style = readFileSync(join(library, '../uPlot.min.css'), 'utf8')
  // `<` would end the script element.
  const data = JSON.stringify({ ...drawing, rowHeight: ROW_HEIGHT }).replaceAll('<', String.raw`\u003c`)
  return `<!doctype html><meta charset="utf-8"><style>${style}${own('page.css')}</style><body>
<script>${script}</script><script>const drawing = ${data}</script><script type="module">${own('page.mjs')}</script>`
}
