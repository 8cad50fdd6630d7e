/** Whether a server answers, as clients of the published operator API ask it. */
import { z } from 'zod';
import { type Api, defineRoute } from './route.ts';
import { OPERATOR_VERSION } from './versions.ts';
import { answerWord } from './wire.ts';

const Ping = z.object({ status: answerWord(['ok']) }).meta({ id: 'Ping' });

export const pingApi = {
  title: 'Operator API, ping',
  version: OPERATOR_VERSION,
  description: 'Whether this Nexus answers, without a token.',
  routes: {
    ping: defineRoute({
      operationId: 'ping',
      audience: 'public',
      method: 'GET',
      path: '/v1/ping',
      summary: 'Always ok: the server is reached. The state of the fleet is that of fleet_status',
      tags: ['system/status'],
      status: 200,
      response: { kind: 'json', schema: Ping },
      errors: [],
    }),
  },
} as const satisfies Api;
