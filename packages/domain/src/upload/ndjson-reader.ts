import { readJson } from '../json.ts'
import { CURL_JOINS_LINES } from './hints.ts'
import type { Line } from './lines.ts'
import type { LineIssue, LineRecord, RecordReader } from './record-reader.ts'
import { unreadable } from './record-reader.ts'
import { refuseUpload } from './refuse-upload.ts'

/** One JSON object a line. Throws the Problem `invalid` when the first line shows another format. */
export function ndjsonReader(): RecordReader {
  let isFirst = true
  return {
    read: (lines) =>
      lines.map((line) => {
        if (isFirst) refuseOtherFormat(line)
        isFirst = false
        return recordOf(line)
      }),
    end: () => {},
  }
}

function recordOf(line: Line): LineRecord {
  if (line.defect === 'line-too-long' && isJoined(line.text)) return { line: line.number, issue: joined }
  const defect = unreadable(line)
  if (defect !== undefined) return defect
  const read = readJson(line.text)
  return read.ok
    ? { line: line.number, input: read.value }
    : { line: line.number, issue: whyNotJson(line.text.trim(), read.detail) }
}

const WANTED = 'wanted NDJSON, one whole object on each line'

const joined: LineIssue = {
  code: 'malformed-json',
  detail: `found several objects on one line; ${WANTED} (${CURL_JOINS_LINES})`,
}

function isJoined(text: string): boolean {
  return /\}\s*,?\s*\{/.test(text)
}

function whyNotJson(text: string, reason: string): LineIssue {
  // A key that could reach a prototype has no place.
  if (!reason.startsWith(PLACE)) return issue(reason)
  if (isJoined(text)) return joined
  if (text.endsWith('},')) return issue(`found a comma after the object; ${WANTED}`)
  if (text.startsWith('{') && !text.endsWith('}'))
    return issue(`found an object that does not end on its line; ${WANTED}`)
  return issue(`this is not valid JSON: ${reason.slice(PLACE.length)}`)
}

// A line is its own document, so this number is not the one of the upload.
const PLACE = 'line 1, '

function issue(detail: string): LineIssue {
  return { code: 'malformed-json', detail }
}

function refuseOtherFormat({ number, text }: Line): void {
  const found = otherFormat(text.trim())
  if (found !== undefined) throw refuseUpload('format', found, number)
}

function otherFormat(text: string): string | undefined {
  if (text.startsWith('[')) return `found a JSON array; ${WANTED} and no brackets (jq -c '.[]' converts it)`
  if (text === '{') return `found an object over several lines; ${WANTED} (jq -c . converts it)`
  if (/^"?channel"?\s*[,;\t]|^"?sep=|^[^{]*[,;\t]"?https:\/\//i.test(text))
    return 'found CSV; send it with "Content-Type: text/csv" (CLI: --format csv)'
  if (text.startsWith('<')) return `found XML or HTML; ${WANTED}`
  return undefined
}
