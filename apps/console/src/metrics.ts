import type { RequestHandler } from 'express';
import { Histogram, type Registry } from 'prom-client';

/** Measures the answers of the API by route pattern and status, never by what the route names. */
export function measureRequests(registry: Registry): RequestHandler {
  const seconds = new Histogram({
    name: 'syncline_console_request_seconds',
    help: 'Time to answer a request of the console API.',
    labelNames: ['route', 'status'],
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers: [registry],
  });
  return (request, response, next) => {
    const end = seconds.startTimer();
    response.once('close', () => {
      const route: unknown = request.route;
      const path = typeof route === 'object' && route !== null && 'path' in route ? String(route.path) : 'none';
      end({ route: path, status: String(response.statusCode) });
    });
    next();
  };
}
