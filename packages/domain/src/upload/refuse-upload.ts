import { Problem } from '../problem.ts'

/** The refusal of a whole upload, for a reason that concerns the line with this number. */
export function refuseUpload(code: string, detail: string, line = 1): Problem {
  return new Problem('invalid', `the upload cannot be read: ${detail}`, {
    inputErrors: [{ path: [line], code, detail }],
  })
}
