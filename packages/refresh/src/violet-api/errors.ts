/** Why a call to Violet's API gave no result. */
export const violetApiProblems = {
  /** No answer, a broken one, or a 5xx: another try may help. */
  unavailable: 'VIOLET_API_UNAVAILABLE',
  /** 429: the API asks for patience. */
  limited: 'VIOLET_API_LIMITED',
  /** Our own limits leave no room now; nothing was sent. */
  busy: 'VIOLET_API_BUSY',
  /** A 4xx to this very request. */
  refused: 'VIOLET_API_REFUSED',
  /** The credentials are not taken. */
  loginRefused: 'VIOLET_API_LOGIN_REFUSED',
  /** The answer is not what the API's schema says. */
  unreadable: 'VIOLET_API_UNREADABLE',
  /** The answer is larger than what is read. */
  tooLarge: 'VIOLET_API_ANSWER_TOO_LARGE',
  /** Pages go on without end. */
  endless: 'VIOLET_API_ENDLESS',
} as const;

export type VioletApiProblem = keyof typeof violetApiProblems;

/** A failed call to Violet's API. The message names method and path; it never holds a secret, a token or anything of an answer's body. */
export class VioletApiError extends Error {
  override readonly name = 'VioletApiError';
  readonly problem: VioletApiProblem;
  readonly code: string;
  /** Status of the answer, when there was one. */
  readonly status: number | undefined;
  /** How long to wait before the next try, where the API or our own limits say so. */
  readonly retryAfterMs: number | undefined;

  constructor(
    problem: VioletApiProblem,
    message: string,
    { status, retryAfterMs, ...options }: ErrorOptions & { status?: number; retryAfterMs?: number | undefined } = {},
  ) {
    super(message, options);
    this.problem = problem;
    this.code = violetApiProblems[problem];
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}
