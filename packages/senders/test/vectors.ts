import vectors from './signature-vectors.json';

export interface SignatureVector {
  readonly name: string;
  readonly scheme: string;
  readonly secret: string;
  readonly body: string;
  readonly expected: string;
  readonly id?: string;
  readonly timestamp?: string;
}

/** Signatures of public test suites, and some computed for the senders, by name. */
export function vector(name: string): SignatureVector {
  const found = [...vectors.published, ...vectors.own].find((candidate) => candidate.name === name);
  if (found === undefined) throw new RangeError(`Expected the name of a signature vector, got ${name}`);
  return found;
}
