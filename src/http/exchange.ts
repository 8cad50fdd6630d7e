/** One request: parsed by its route, handled, and answered in any case. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { z } from 'zod';
import type { Route } from '../api/route.ts';
import { DepotError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { type ErrorForm, errorAnswer, sendBytes, sendJson } from './answers.ts';
import type { Caller } from './caller.ts';
import { type FileAnswer, sendFile } from './file-body.ts';
import { type BoundRoute, NOT_MODIFIED, type Page } from './handlers.ts';
import { openPage } from './page-token.ts';
import type { ProgressDeadline } from './progress.ts';
import { rawBody, readJsonBody, requireBareFile } from './raw-body.ts';
import type { RequestPlaces } from './request-places.ts';
import { requireKnownVersion } from './request-version.ts';

export type BodyLimitsByKind = {
  readonly jsonBodyBytes: number;
  /** Of a `stream` body whose route names no limit: 2 GiB for an artifact, 4 GiB for a repository, unless configured. */
  readonly streamBodyBytes: number;
  /** For JSON bodies longer than `jsonBodyBytes`, where a route allows them: each is memory, several times its length. */
  readonly largeBodies?: RequestPlaces;
  /** Of bodies in both directions (B13). */
  readonly progress: ProgressDeadline;
};

/** One request in progress. */
export type Exchange = {
  readonly requestId: string;
  readonly caller: Caller;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly log: Logger;
  readonly signal: AbortSignal;
};

/** Runs the work of one request; an error becomes the answer. Never rejects. */
export const runExchange = async (
  {
    requestId,
    request,
    response,
    log,
    inPublishedCodes,
  }: Omit<Exchange, 'caller'> & Pick<ErrorForm, 'inPublishedCodes'>,
  controller: AbortController,
  work: () => Promise<void>,
): Promise<void> => {
  const { method, url } = request;
  const clientGone = (): void => {
    if (!response.writableFinished)
      controller.abort(new DepotError('BODY_INCOMPLETE', 'the client disconnected'));
  };
  request.socket.once('close', clientGone);
  response.on('error', () => undefined); // the write callbacks report it
  response.setHeader('x-request-id', requestId);
  try {
    await work();
    log.debug({ request_id: requestId, method, url, status: response.statusCode }, 'request answered');
  } catch (error) {
    const { status, headers, body, isFault } = errorAnswer(error, { requestId, inPublishedCodes });
    const facts = { request_id: requestId, method, url, status, err: error };
    if (isFault) log.error(facts, 'request failed');
    else log.debug(facts, 'request refused');
    await sendJson(request, response, { status, headers, value: body });
  } finally {
    request.socket.off('close', clientGone);
  }
};

export const answerRoute = async (
  { requestId, caller, request, response, log, signal }: Exchange,
  { params, query }: { params: unknown; query: unknown },
  { route, version, handle }: BoundRoute,
  limits: BodyLimitsByKind,
): Promise<void> => {
  requireKnownVersion(request.rawHeaders, version);
  const page = openPage(route, query);
  const result = await handle({
    params: parsePart('path parameter', route.params, params),
    query: parsePart('query parameter', route.query, page.query),
    body: await readBody({ request, response, caller, signal }, route, limits),
    requestId,
    caller,
    headers: request.headers,
    log,
    signal,
    setHeader: (name: string, value: string) => response.setHeader(name, value),
  });
  if (result === NOT_MODIFIED)
    return sendBytes(request, response, { status: 304, headers: {}, bytes: undefined });
  const { status } = route;
  switch (route.response.kind) {
    case 'json':
      return sendJson(request, response, { status, value: page.answer(result), progress: limits.progress });
    case 'empty':
      return sendBytes(request, response, { status, headers: {}, bytes: undefined });
    case 'stream': {
      await using file = result as FileAnswer;
      return await sendFile(request, response, file, { progress: limits.progress, signal });
    }
    default:
      route.response satisfies never;
  }
};

const readBody = async (
  { request, response, caller, signal }: Pick<Exchange, 'request' | 'response' | 'caller' | 'signal'>,
  { body }: Route,
  { jsonBodyBytes, streamBodyBytes, largeBodies, progress }: BodyLimitsByKind,
): Promise<unknown> => {
  if (body === undefined) return undefined;
  const maxBytes = body.maxBytes ?? (body.kind === 'json' ? jsonBodyBytes : streamBodyBytes);
  if (body.kind === 'stream') requireBareFile(request);
  const raw = rawBody(request, response, { maxBytes, progress }, { signal });
  if (body.kind === 'stream') return raw;
  const isLarge = Math.min(raw.contentLength ?? maxBytes, maxBytes) > jsonBodyBytes;
  using _place = isLarge ? largeBodies?.take(caller.claimant) : undefined;
  return parsePart('body', body.schema, await readJsonBody(request, raw));
};

/** A few are enough for a message. */
const MAX_ISSUES_NAMED = 5;

const parsePart = (part: string, schema: z.ZodType | undefined, value: unknown): unknown => {
  if (schema === undefined) return {};
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues
    .slice(0, MAX_ISSUES_NAMED)
    .map(({ path, message }) => (path.length > 0 ? `${path.join('.')}: ${message}` : message));
  throw new DepotError('INVALID_REQUEST', `${part} ${issues.join('; ')}`);
};

export const answerPage = async ({ request, response, signal }: Exchange, page: Page): Promise<void> => {
  const content = await page.content({ signal });
  const headers = { 'content-type': page.contentType, ...page.headers };
  await sendBytes(request, response, { status: 200, headers, bytes: Buffer.from(content) });
};

export const refusePath = ({ request }: Exchange): Promise<void> => {
  throw new DepotError('NOT_FOUND', `there is nothing at ${request.url?.split('?')[0]}`);
};

export const refuseMethod = ({ request, response }: Exchange, allowed: readonly string[]): Promise<void> => {
  response.setHeader('allow', allowed.join(', '));
  throw new DepotError(
    'METHOD_NOT_ALLOWED',
    `${request.method} is not allowed here, only ${allowed.join(', ')}`,
  );
};
