// Draws `drawing` (see data.ts) with uPlot in a browser: the layout, units, colors and limits of the dashboard's JSON.
/* global drawing, uPlot, document, window */

const { range, rowHeight, panels, marks } = drawing
const TITLE_HEIGHT = 28
const LEGEND_HEIGHT = 42
const columnWidth = window.innerWidth / 24

function unitOf(unit) {
  return { percentunit: percent, s: duration, bytes: bytesText, ops: perSecond, reqps: perSecond }[unit] ?? plain
}
function plain(value) {
  const [divisor, suffix] = value >= 1e6 ? [1e6, 'M'] : value >= 10_000 ? [1e3, 'k'] : [1, '']
  return `${Number((value / divisor).toPrecision(value >= 100 ? 3 : 2))}${suffix}`
}
function perSecond(value) {
  return `${plain(value)}/s`
}
function percent(value) {
  return `${Number((value * 100).toPrecision(3))} %`
}
function duration(value) {
  if (value === 0) return '0 s'
  if (value < 1) return `${Number((value * 1000).toPrecision(2))} ms`
  if (value < 120) return `${Number(value.toPrecision(3))} s`
  return value < 7200 ? `${Number((value / 60).toPrecision(2))} min` : `${Number((value / 3600).toPrecision(2))} h`
}
function bytesText(value) {
  return `${Math.round(value / 1_048_576)} MiB`
}

function element(parent, tag, className, text) {
  const made = document.createElement(tag)
  if (className) made.className = className
  if (text !== undefined) made.textContent = text
  parent.append(made)
  return made
}

function colorAt(steps, value) {
  return steps.findLast((step) => step.value === null || value >= step.value)?.color ?? '#24292e'
}

const times = Array.from(
  { length: Math.floor((range.end - range.start) / range.step) + 1 },
  (_, index) => range.start + index * range.step,
)
function onGrid({ values }) {
  const found = new Map(values.map(([at, value]) => [Math.round((at - range.start) / range.step), value]))
  return times.map((_, index) => {
    const value = found.get(index)
    return value === undefined || value === null ? null : value
  })
}

function stacked(rows, mode) {
  const sums = times.map((_, index) => rows.reduce((sum, row) => sum + (row[index] ?? 0), 0))
  const base = times.map(() => 0)
  return rows.map((row) =>
    row.map((value, index) => {
      const share = mode === 'percent' ? (sums[index] > 0 ? (value ?? 0) / sums[index] : 0) : (value ?? 0)
      base[index] += share
      return base[index]
    }),
  )
}

// Campaigns are regions; other marks are lines.
function drawMarks(plot) {
  const { ctx } = plot
  const { top, height } = plot.bbox
  for (const { name, color, values } of marks) {
    const from = values[0]?.[0]
    const to = values.at(-1)?.[0]
    if (from === undefined) continue
    const x = plot.valToPos(from, 'x', true)
    ctx.save()
    ctx.fillStyle = color
    if (name === 'Campaigns sending') {
      ctx.globalAlpha = 0.05
      ctx.fillRect(x, top, plot.valToPos(to, 'x', true) - x, height)
    }
    ctx.globalAlpha = 0.7
    ctx.fillRect(x, top, 1, height)
    ctx.restore()
  }
}

function drawSteps(plot, steps) {
  const { ctx } = plot
  for (const { value, color } of steps.filter((step) => step.value !== null)) {
    const y = plot.valToPos(value, 'y', true)
    if (y < plot.bbox.top) continue
    ctx.save()
    ctx.strokeStyle = color
    ctx.setLineDash([6, 4])
    ctx.beginPath()
    ctx.moveTo(plot.bbox.left, y)
    ctx.lineTo(plot.bbox.left + plot.bbox.width, y)
    ctx.stroke()
    ctx.restore()
  }
}

function clock(seconds) {
  const elapsed = Math.round(seconds - range.start)
  return `${Math.floor(elapsed / 60)}:${String(elapsed % 60).padStart(2, '0')}`
}

function plotGraph(box, panel, width, height) {
  const { series, stacking, steps, showSteps } = panel
  const isPercent = stacking === 'percent'
  const unit = isPercent ? percent : unitOf(panel.unit)
  const shown = series.filter((one) => !(stacking !== 'none' && one.values.every(([, value]) => value === 0)))
  const rows = shown.map(onGrid)
  const drawn = stacking === 'none' ? rows : stacked(rows, stacking)
  // The topmost of a stack is drawn first, so that the others cover its lower part.
  const order = stacking === 'none' ? shown.map((_, index) => index) : shown.map((_, index) => index).toReversed()
  const options = {
    width,
    height,
    legend: { show: false },
    cursor: { show: false },
    scales: {
      x: { time: false },
      y: { range: (_, __, max) => [0, isPercent ? 1 : (panel.max ?? (max > 0 ? max * 1.08 : 1))] },
    },
    axes: [
      { size: 26, font: '11px DejaVu Sans', values: (_, splits) => splits.map(clock), grid: { stroke: '#eee' } },
      { size: 62, font: '11px DejaVu Sans', values: (_, splits) => splits.map(unit), grid: { stroke: '#eee' } },
    ],
    series: [
      {},
      ...order.map((index) => ({
        stroke: shown[index].color,
        width: stacking === 'none' ? 1.6 : 0.6,
        ...(stacking === 'none' ? {} : { fill: shown[index].color }),
        dash: shown[index].dash,
        points: { show: false },
      })),
    ],
    hooks: { drawClear: [drawMarks], draw: [(plot) => showSteps && drawSteps(plot, steps)] },
  }
  box.plot = new uPlot(options, [times, ...order.map((index) => drawn[index])], element(box, 'div'))
  legend(box, shown)
}

function legend(box, series) {
  const made = element(box, 'div', 'legend')
  for (const { name, color } of series) {
    const entry = element(made, 'span')
    element(entry, 'i').style.background = color
    entry.append(name)
  }
}

const spectral = ['#5e4fa2', '#3288bd', '#66c2a5', '#abdda4', '#e6f598', '#fee08b', '#fdae61', '#f46d43', '#d53e4f']

function plotHeatmap(box, panel, width, height) {
  const buckets = panel.series
    .map((one) => ({ le: one.labels.le === '+Inf' ? Infinity : Number(one.labels.le), row: onGrid(one) }))
    .toSorted((a, b) => a.le - b.le)
  const cells = buckets.map(({ le, row }, index) => ({
    le,
    row: row.map((value, at) => Math.max(0, (value ?? 0) - (buckets[index - 1]?.row[at] ?? 0))),
  }))
  const most = Math.max(...cells.flatMap(({ row }) => row))
  const canvas = element(box, 'canvas')
  canvas.width = width
  canvas.height = height
  const ctx = canvas.getContext('2d')
  const [left, bottom] = [66, 26]
  const cellWidth = (width - left - 8) / times.length
  const cellHeight = (height - bottom) / cells.length
  ctx.font = '11px DejaVu Sans'
  for (const [index, { le, row }] of cells.entries()) {
    const y = height - bottom - (index + 1) * cellHeight
    ctx.fillStyle = '#333'
    ctx.textAlign = 'right'
    ctx.fillText(le === Infinity ? 'more' : duration(le), left - 8, y + cellHeight / 2 + 4)
    for (const [at, value] of row.entries()) {
      if (value <= 0) continue
      const level = Math.min(spectral.length - 1, Math.floor(Math.sqrt(value / most) * spectral.length))
      ctx.fillStyle = spectral[level]
      ctx.fillRect(left + at * cellWidth, y, Math.max(1, cellWidth - 0.5), cellHeight - 1)
    }
  }
  ctx.textAlign = 'center'
  ctx.fillStyle = '#333'
  for (let at = 0; at < times.length; at += Math.ceil(times.length / 6)) {
    ctx.fillText(clock(times[at]), left + at * cellWidth, height - 8)
  }
}

function stat(box, panel, width, height) {
  const [first] = panel.series
  const last = first?.values.findLast(([, value]) => value !== null)?.[1]
  const word = panel.words[String(last)]
  const text = last === undefined ? 'no data' : (word?.text ?? unitOf(panel.unit)(last))
  const value = element(box, 'div', 'value', text)
  const color = last === undefined ? '#888' : (word?.color ?? colorAt(panel.steps, last))
  value.style.color = color
  if (first === undefined || word !== undefined) return
  const row = onGrid(first)
  const most = Math.max(...row.map((one) => one ?? 0), 1e-9)
  const points = row.flatMap((one, at) =>
    one === null ? [] : [`${(at / (times.length - 1)) * width},${36 - (one / most) * 32}`],
  )
  const [from = '0,36'] = points
  const area = `${from.split(',')[0]},36 ${points.join(' ')} ${width},36`
  const spark = element(box, 'div', 'spark')
  spark.innerHTML = `<svg width="${width}" height="36"><polygon points="${area}" fill="${color}"/></svg>`
  spark.style.maxHeight = `${height}px`
}

function timeline(box, panel, width, height) {
  const laneHeight = Math.min(24, height / Math.max(1, panel.series.length))
  for (const one of panel.series) {
    const lane = element(box, 'div', 'lane')
    lane.style.height = `${laneHeight - 2}px`
    lane.style.lineHeight = `${laneHeight - 2}px`
    lane.style.marginBottom = '0'
    element(lane, 'b', '', one.name)
    const [left, full] = [195, width - 215]
    let from = 0
    const row = onGrid(one)
    for (let at = 1; at <= row.length; at += 1) {
      if (at < row.length && row[at] === row[from]) continue
      const word = panel.words[String(row[from])]
      if (row[from] !== null && word !== undefined) {
        const bar = element(lane, 'u', '', at - from > 12 ? word.text : '')
        bar.style.left = `${left + (from / row.length) * full}px`
        bar.style.width = `${((at - from) / row.length) * full}px`
        bar.style.background = word.color
      }
      from = at
    }
  }
}

function table(box, panel) {
  if (panel.series.length === 0) {
    element(box, 'div', 'empty', 'none')
    return
  }
  const made = element(box, 'table')
  const head = element(made, 'tr')
  for (const name of Object.values(panel.columns)) element(head, 'th', '', name)
  for (const { labels } of panel.series) {
    const row = element(made, 'tr')
    for (const label of Object.keys(panel.columns)) element(row, 'td', '', labels[label] ?? '')
  }
}

const draw = { stat, table, timeseries: plotGraph, heatmap: plotHeatmap, 'state-timeline': timeline }

const header = element(document.body, 'header', '', drawing.title)
element(header, 'small', '', 'minutes since the start of the campaign')
const main = element(document.body, 'main')
for (const panel of panels) {
  const { x, y, w, h } = panel.gridPos
  const box = element(
    main,
    'section',
    panel.type === 'row' ? 'row' : 'panel',
    panel.type === 'row' ? panel.title : undefined,
  )
  box.style.left = `${x * columnWidth + 2}px`
  box.style.top = `${y * rowHeight + 2}px`
  box.style.width = `${w * columnWidth - 4}px`
  box.style.height = `${h * rowHeight - 4}px`
  if (panel.type === 'row') continue
  element(box, 'h2', '', panel.title)
  const hasLegend = panel.type === 'timeseries'
  draw[panel.type](box, panel, w * columnWidth - 8, h * rowHeight - TITLE_HEIGHT - (hasLegend ? LEGEND_HEIGHT : 6))
}
