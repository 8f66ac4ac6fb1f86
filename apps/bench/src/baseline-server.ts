import { createHmac, timingSafeEqual } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { Queue } from 'bullmq';
import express, { type Request } from 'express';
import { Redis } from 'ioredis';
import { SECRET } from './events';
import { takePart } from './part';

/** What one would write without Syncline: Express that verifies, and then at once answers, or first adds a job. */
export type BaselineQuestions = {
  listen: { told: { redisUrl?: string }; answer: { port: number } };
  /** Processor time of this process since its start, in microseconds. */
  cpuMicros: { told: null; answer: number };
};

takePart<BaselineQuestions>({
  listen: async ({ redisUrl }) => {
    const queue = redisUrl === undefined ? undefined : openQueue(redisUrl);
    await queue?.waitUntilReady();
    const app = express();
    app.disable('x-powered-by');
    app.disable('etag');
    app.post('/webhooks/:source', express.raw({ type: () => true, limit: '5mb' }), async (request, response) => {
      if (!isGenuine(request)) {
        response.status(401).json({ error: 'signature' });
        return;
      }
      const eventId = request.get('x-violet-event-id') ?? '';
      // The event id as job id is how one refuses duplicates with BullMQ.
      await queue?.add(request.get('x-violet-topic') ?? '', JSON.parse(String(request.body)), {
        jobId: eventId,
        removeOnComplete: true,
      });
      response.status(202).json({ status: 'accepted', eventId });
    });
    const server = http.createServer(app);
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    return { port: (server.address() as AddressInfo).port };
  },
  cpuMicros: async () => {
    const { user, system } = process.cpuUsage();
    return user + system;
  },
});

function openQueue(redisUrl: string): Queue {
  const connection = new Redis(redisUrl, { replyMapping: 'legacy', maxRetriesPerRequest: null });
  return new Queue('webhooks', { connection });
}

function isGenuine(request: Request): boolean {
  const signature = Buffer.from(request.get('x-violet-hmac') ?? '', 'base64');
  const expected = createHmac('sha256', SECRET)
    .update(request.body as Buffer)
    .digest();
  return signature.length === expected.length && timingSafeEqual(signature, expected);
}
