/** The meaning of a refusal by the token service, and the fix. */
export interface TokenRefusal {
  /** Only a change of the configuration helps. */
  readonly permanent: boolean
  /** A stable word. */
  readonly code: string
  /** For people. The only part from the network is a numeric AADSTS code. */
  readonly explanation: string
}

interface RefusalRow extends TokenRefusal {
  /** AADSTS numbers of Entra. */
  readonly aadsts?: readonly number[]
  /** Text in the description of the answer. */
  readonly text?: RegExp
  /** The `error` word of OAuth. */
  readonly error?: string
}

const MOVED =
  'The token service no longer serves this identity by package SID. Register the app in Microsoft Entra ID and ' +
  'give its credentials as kind "entra" (tenantId, clientId, clientSecret).'

/** The first matching row decides, so numbers are listed before texts and texts before general words. */
export const refusals: readonly RefusalRow[] = [
  {
    permanent: true,
    code: 'bad-secret',
    aadsts: [7000215],
    explanation: 'The client secret is wrong. Copy the value of the secret (not its id) from the app registration.',
  },
  {
    permanent: true,
    code: 'expired-secret',
    aadsts: [7000222],
    explanation: 'The client secret has expired. Create a new one in the app registration and replace the old one.',
  },
  {
    permanent: true,
    code: 'unknown-app',
    aadsts: [700016],
    explanation: 'The tenant has no app with this client id. Check clientId and tenantId against the app registration.',
  },
  {
    permanent: true,
    code: 'disabled-app',
    aadsts: [7000112, 700011],
    explanation: 'The app is disabled in its tenant. Enable it, or ask an administrator of the tenant.',
  },
  {
    permanent: true,
    code: 'unknown-tenant',
    aadsts: [90002, 900021, 900023],
    explanation: 'There is no such tenant. Check tenantId: it must be the GUID or a domain of the directory.',
  },
  {
    permanent: true,
    code: 'wrong-tenant-kind',
    aadsts: [9002346, 9002332, 9002331],
    explanation: 'The app registration is for personal accounts only. Make it multi-tenant.',
  },
  {
    permanent: true,
    code: 'bad-scope',
    aadsts: [70011, 500011, 1002012],
    explanation:
      'The tenant does not grant the scope of WNS. Make sure the registration may use Windows push notifications.',
  },
  {
    permanent: true,
    code: 'bad-client',
    aadsts: [7000216, 7000218],
    explanation: 'The app registration does not accept a client secret. Add one, and allow confidential clients.',
  },
  {
    permanent: false,
    code: 'transient',
    aadsts: [90024, 90033, 90006, 50196, 50058],
    explanation: 'The token service has a temporary error. The request is repeated.',
  },
  { permanent: true, code: 'legacy-flow-refused', text: /no longer supported/i, explanation: MOVED },
  {
    permanent: true,
    code: 'unknown-app',
    text: /invalid client id/i,
    explanation: 'The token service has no app with this package SID. Check it against the app in Partner Center.',
  },
  {
    permanent: true,
    code: 'bad-secret',
    text: /(invalid|incorrect|wrong) (client )?secret|secret[^.]{0,40}(invalid|incorrect|wrong)/i,
    explanation: 'The client secret is wrong. Copy it again from the registration of the app.',
  },
  {
    permanent: true,
    code: 'bad-client',
    error: 'invalid_client',
    explanation:
      'The token service refuses this client. Check the id (package SID or client id) and the client secret.',
  },
  {
    permanent: true,
    code: 'bad-client',
    error: 'unauthorized_client',
    explanation: 'The app may not request tokens this way. Check the app registration.',
  },
  {
    permanent: true,
    code: 'bad-scope',
    error: 'invalid_scope',
    explanation:
      'The token service refuses the scope of WNS for this app. Check that the app may use push notifications.',
  },
  {
    permanent: true,
    code: 'bad-request',
    error: 'invalid_request',
    explanation: 'The token service refuses the request. Check the kind of the credentials and the id.',
  },
  {
    permanent: true,
    code: 'bad-request',
    error: 'invalid_grant',
    explanation: 'The token service refuses the request. Check the kind of the credentials and the id.',
  },
  {
    permanent: true,
    code: 'bad-request',
    error: 'unsupported_grant_type',
    explanation:
      'The token service does not serve this kind of credentials. Check whether the app is a Store or an Entra one.',
  },
  {
    permanent: false,
    code: 'transient',
    error: 'temporarily_unavailable',
    explanation: 'The token service is overloaded. The request is repeated.',
  },
  {
    permanent: false,
    code: 'transient',
    error: 'server_error',
    explanation: 'The token service has a temporary error. The request is repeated.',
  },
]

/** The meaning of a refusal with this body; undefined when the body is no OAuth error. */
export function explainRefusal(body: unknown): TokenRefusal | undefined {
  if (typeof body !== 'object' || body === null || !('error' in body) || typeof body.error !== 'string')
    return undefined
  const { error } = body
  const description =
    'error_description' in body && typeof body.error_description === 'string' ? body.error_description : ''
  const numbers = aadstsNumbers('error_codes' in body ? body.error_codes : undefined, description)
  const row = refusals.find((candidate) => {
    if (candidate.aadsts !== undefined) return candidate.aadsts.some((number) => numbers.includes(number))
    return candidate.text === undefined ? candidate.error === error : candidate.text.test(description.slice(0, 2_000))
  })
  const [number] = numbers
  if (row === undefined)
    return {
      permanent: true,
      code: 'refused',
      explanation:
        `The token service refuses the credentials${numberText(number)}. ` +
        'Check id, secret and kind of the credentials.',
    }
  return { permanent: row.permanent, code: row.code, explanation: `${row.explanation}${numberText(number)}` }
}

function numberText(number: number | undefined): string {
  return number === undefined ? '' : ` (AADSTS${number})`
}

function aadstsNumbers(codes: unknown, description: string): number[] {
  const listed = Array.isArray(codes) ? codes.slice(0, 10).filter((code) => Number.isSafeInteger(code) && code > 0) : []
  const named = /^AADSTS(\d{5,8})\b/.exec(description)?.[1]
  return [...listed, ...(named === undefined ? [] : [Number(named)])]
}
