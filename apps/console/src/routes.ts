import { documentCollections } from '@syncline/catalog';
import { eventStates } from '@syncline/events';
import { Router } from 'express';
import { type Api, get, listPage, parameterOf } from './api';
import { Refusal } from './errors';
import { listMerchants, readMerchant, requireMerchant } from './merchants';
import { presentDeadLetter, presentDeadLetterSummary, presentEvent, presentHistoryItem, presentOverview } from './present';
import { oneOf, textOf } from './query';

/** All reads under `/api/v1`. */
export function createRoutes(api: Api): Router {
  const { inspector, read } = api;
  const router = Router({ caseSensitive: true });

  get(router, '/overview', async (_request, response) => {
    response.json(presentOverview(await read(inspector.overview())));
  });

  get(router, '/merchants', async (request, response) => {
    response.json(await listMerchants(api, request.query));
  });

  get(router, '/merchants/:source/:merchantId', async ({ params }, response) => {
    response.json(await readMerchant(api, parameterOf(params, 'source'), parameterOf(params, 'merchantId')));
  });

  get(router, '/merchants/:source/:merchantId/history', async ({ params, query }, response) => {
    const { lane } = await requireMerchant(api, parameterOf(params, 'source'), parameterOf(params, 'merchantId'));
    response.json(await listPage(api, `history ${lane}`, query, (page) => inspector.history(lane, page), presentHistoryItem));
  });

  for (const name of ['offers', 'collections'] as const) {
    get(router, `/merchants/:source/:merchantId/${name}`, async ({ params, query }, response) => {
      const { lane } = await requireMerchant(api, parameterOf(params, 'source'), parameterOf(params, 'merchantId'));
      const load = (page: { limit: number; cursor?: string | undefined }) =>
        inspector.documents(lane, documentCollections[name], page);
      response.json(await listPage(api, `${name} ${lane}`, query, load, ({ value }) => value));
    });
  }

  get(router, '/events', async ({ query }, response) => {
    const filter = { state: oneOf(query, 'state', eventStates), topic: textOf(query, 'topic') };
    const name = `events ${JSON.stringify(filter)}`;
    response.json(await listPage(api, name, query, (page) => inspector.events(filter, page), presentEvent));
  });

  get(router, '/events/:source/:eventId', async ({ params }, response) => {
    const source = parameterOf(params, 'source');
    const eventId = parameterOf(params, 'eventId');
    const event = source.includes(':') ? undefined : await read(inspector.event(source, eventId));
    if (event === undefined) {
      throw new Refusal('not_found', `No event ${JSON.stringify(eventId)} of source ${JSON.stringify(source)} is known`);
    }
    response.json(presentEvent(event));
  });

  get(router, '/dead-letters', async ({ query }, response) => {
    const filter = { source: textOf(query, 'source'), topic: textOf(query, 'topic'), reason: textOf(query, 'reason') };
    const name = `dead-letters ${JSON.stringify(filter)}`;
    response.json(await listPage(api, name, query, (page) => inspector.deadLetters(filter, page), presentDeadLetterSummary));
  });

  get(router, '/dead-letters/:id', async ({ params }, response) => {
    const id = parameterOf(params, 'id');
    const letter = await read(inspector.deadLetter(id));
    if (letter === undefined) throw new Refusal('not_found', `No dead letter ${JSON.stringify(id)} is known`);
    response.json(presentDeadLetter(letter));
  });

  return router;
}
