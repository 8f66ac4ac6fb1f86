import { createHash, timingSafeEqual } from 'node:crypto';
import type { RequestHandler } from 'express';
import { Refusal } from './errors';

/** Lets requests pass that carry `Authorization: Bearer <token>`; the time taken says nothing about the token. */
export function requireToken(token: string): RequestHandler {
  // Digests have one length whatever was sent, so the comparison reveals neither length nor prefix.
  const expected = digestOf(token);
  return (request, response, next) => {
    const given = /^bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (given !== undefined && timingSafeEqual(digestOf(given), expected)) {
      next();
      return;
    }
    response.set('WWW-Authenticate', 'Bearer');
    const found = given === undefined ? (request.headers.authorization === undefined ? 'none' : 'another form') : 'another token';
    throw new Refusal('unauthorized', `Expected "Authorization: Bearer <CONSOLE_TOKEN>", got ${found}`);
  };
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
