/** Handlers of a server, typed by the contract's routes. */
import type { IncomingHttpHeaders } from 'node:http';
import type { z } from 'zod';
import type { Admission, Api, Route } from '../api/route.ts';
import type { ApiVersion } from '../api/versions.ts';
import type { Logger } from '../lib/log.ts';
import type { Caller } from './caller.ts';
import type { FileAnswer } from './file-body.ts';
import type { RawBody } from './raw-body.ts';

type Nothing = Readonly<Record<never, never>>;

type ParamsOf<R extends Route> = R extends { params: infer P extends z.ZodObject } ? z.output<P> : Nothing;
type QueryOf<R extends Route> = R extends { query: infer Q extends z.ZodObject } ? z.output<Q> : Nothing;
type BodyOf<R extends Route> = R extends { body: { kind: 'json'; schema: infer S extends z.ZodType } }
  ? z.output<S>
  : R extends { body: { kind: 'stream' } }
    ? RawBody
    : undefined;

/** Of a route that revalidates: what the `If-None-Match` of the request names is still right. */
export const NOT_MODIFIED = Symbol('not modified');
type NotModified = typeof NOT_MODIFIED;

/** The answer of a handler: JSON, nothing, or a file. */
type AnswerOf<R extends Route> = R extends {
  response: { kind: 'json'; schema: infer S extends z.ZodType };
}
  ? Promise<R extends { revalidates: true } ? z.input<S> | NotModified : z.input<S>>
  : R extends { response: { kind: 'stream' } }
    ? Promise<FileAnswer>
    : Promise<void>;

type AnswerHeaderOf<R extends Route> = R extends { responseHeaders: infer H }
  ? keyof H & string
  : R extends { revalidates: true }
    ? 'etag'
    : never;

type HandlerRequest<R extends Route> = {
  readonly params: ParamsOf<R>;
  readonly query: QueryOf<R>;
  readonly body: BodyOf<R>;
  readonly requestId: string;
  readonly caller: Caller;
  readonly headers: IncomingHttpHeaders;
  readonly log: Logger;
  /** Aborts when the client disconnects, and at the drain deadline of a stop. */
  readonly signal: AbortSignal;
  /** Sets one of the headers that the route names. */
  readonly setHeader: (name: AnswerHeaderOf<R>, value: string) => void;
};

type Handler<R extends Route> = (request: HandlerRequest<R>) => AnswerOf<R>;
export type Handlers<A extends Api> = { readonly [K in keyof A['routes']]: Handler<A['routes'][K]> };

/** A route with its handler, without types: the server parses by the route before the call. */
export type BoundRoute = {
  readonly route: Route;
  /** Of its API (AV1). */
  readonly version: ApiVersion;
  readonly handle: ErasedHandler;
};

type ErasedRequest = Omit<HandlerRequest<Route>, 'params' | 'query' | 'body' | 'setHeader'> & {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
  readonly setHeader: (name: string, value: string) => void;
};
export type ErasedHandler = (request: ErasedRequest) => Promise<unknown>;

/** Joins a contract and its handlers; the types ensure that none is missing. */
export const bindApi = <A extends Api>(api: A, handlers: Handlers<A>): readonly BoundRoute[] =>
  Object.entries(api.routes).map(([name, route]) => ({
    route,
    version: api.version,
    handle: handlers[name as keyof A['routes']] as ErasedHandler,
  }));

/** A page that is not part of an API: the console, the metrics. GET and HEAD only. */
export type Page = Admission & {
  readonly path: string;
  readonly contentType: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly content: (options: { signal: AbortSignal }) => Promise<string | Uint8Array>;
};
