import { laneOf } from '@syncline/events';
import { laneVerbs, type Operator } from '@syncline/lanes';
import express, { type RequestHandler, Router } from 'express';
import * as z from 'zod';
import { type Api, parameterOf, post } from './api';
import { Refusal } from './errors';
import { presentLane } from './present';
import { oneOf, wholeNumber } from './query';

const BODY_LIMIT_BYTES = 16 * 1024;
const REPLAY_LIMIT_DEFAULT = 100;
const REPLAY_LIMIT_MAX = 10_000;

const replayRequest = z.strictObject({
  filter: z.strictObject({ source: z.string(), topic: z.string(), reason: z.string() }).partial().default({}),
  limit: z.int().min(1).max(REPLAY_LIMIT_MAX).default(REPLAY_LIMIT_DEFAULT),
  dryRun: z.boolean(),
});

/** All changes under `/api/v1`: what an operator does to lanes and dead letters. To be mounted before the reads, whose paths are wider. */
export function createActions({ inspector, read }: Api, operator: Operator): Router {
  const router = Router({ caseSensitive: true });

  for (const verb of laneVerbs) {
    post(router, `/lanes/:source/:merchantId/${verb}`, async ({ params, query }, response) => {
      const lane = laneOf(parameterOf(params, 'source'), parameterOf(params, 'merchantId'));
      const force = oneOf(query, 'force', ['true', 'false']) === 'true';
      const seq = wholeNumber(query, 'seq');
      const answer = await read(operator.act(lane, verb, { force, seq }));
      const status = await read(inspector.lane(lane));
      if (answer === 'unknown' || !status) throw new Refusal('not_found', `No lane ${JSON.stringify(lane)} is known`);
      if (answer === 'running') {
        throw new Refusal('conflict', 'A turn of this lane is under way: ask again in a moment, or force it with ?force=true');
      }
      if (answer === 'empty') throw new Refusal('conflict', 'The lane holds no event that could be skipped');
      if (answer === 'moved') throw new Refusal('conflict', `The head of the lane is not the event of seq ${seq}: look again`);
      response.json({ lane: presentLane(status) });
    });
  }

  post(router, '/dead-letters/replay', readJson, async ({ body }: { body?: unknown }, response) => {
    const request = replayRequest.safeParse(body);
    if (!request.success) throw new Refusal('invalid_request', z.prettifyError(request.error));
    const { filter, limit, dryRun } = request.data;
    response.json({ ...(await operator.replayAll(filter, { limit, dryRun })), dryRun });
  });

  post(router, '/dead-letters/:id/replay', async ({ params }, response) => {
    const id = parameterOf(params, 'id');
    const answer = await read(operator.replay(id));
    if (answer === 'unknown') throw new Refusal('not_found', `No dead letter ${JSON.stringify(id)} is known`);
    if (answer === 'placeless') {
      throw new Refusal('conflict', 'A quarantined event never had a place in a lane: have the sender repeat it, or discard it');
    }
    response.json({ status: answer });
  });

  post(router, '/dead-letters/:id/discard', async ({ params }, response) => {
    const id = parameterOf(params, 'id');
    if (!(await read(operator.discard(id)))) throw new Refusal('not_found', `No dead letter ${JSON.stringify(id)} is known`);
    response.json({ status: 'discarded' });
  });

  return router;
}

const parseJson = express.json({ limit: BODY_LIMIT_BYTES, type: () => true });

const readJson: RequestHandler = (request, response, next) => {
  parseJson(request, response, (cause?: unknown) => {
    next(
      cause === undefined
        ? undefined
        : new Refusal('invalid_request', `Expected a JSON body of at most ${BODY_LIMIT_BYTES} bytes, got another`, { cause }),
    );
  });
};
