/**
 * A route as data: the one source of the server's handler type, the client's function and the OpenAPI document.
 */
import type { z } from 'zod';
import type { OperatorRole } from '../core/operator-role.ts';
import type { ErrorCode } from '../lib/error-codes.ts';
import type { ApiVersion } from './versions.ts';

type HttpMethod = 'GET' | 'PUT' | 'POST' | 'DELETE';

/**
 * How a body travels. `stream`: raw bytes, handed over as they arrive, handled by the raw-body functions of `http/`.
 */
type RequestBody =
  | {
      readonly kind: 'json';
      readonly schema: z.ZodType;
      /** Where it may be longer, or has to be shorter, than other JSON bodies. */
      readonly maxBytes?: number;
    }
  | {
      readonly kind: 'stream';
      /** Where the route says it, whatever limit is configured for other streams. */
      readonly maxBytes?: number;
    };
type ResponseBody =
  | { readonly kind: 'json'; readonly schema: z.ZodType }
  | { readonly kind: 'empty' }
  | { readonly kind: 'stream' };

/**
 * The callers that a route serves:
 *
 * - `operator`: a person or a program with an operator's token.
 * - `nexus`, `sled`: a process of that kind. `ownId` of the route restricts it to the one that the path names.
 * - `member`: a process of the fleet, of either kind.
 * - `self`: a program on this machine that has the certificate of this very process.
 * - `public`: everybody.
 *
 * `admit` in http/caller.ts decides what a caller has to present.
 */
export type Audience = 'operator' | 'nexus' | 'sled' | 'member' | 'self' | 'public';

/** Whom a route or a page serves; for operators with the least role that one needs. */
export type Admission = (
  | {
      readonly audience: 'operator';
      readonly role: OperatorRole;
      /** The role that a flag of the query needs, where it overrides what only others decide. */
      readonly flagRoles?: Readonly<Record<string, OperatorRole>>;
    }
  | {
      readonly audience: Exclude<Audience, 'operator'>;
      readonly role?: never;
      readonly flagRoles?: never;
    }
) & {
  /** The path parameter that has to be the caller's own id. */
  readonly ownId?: string;
  /** Serves a process whose certificate has expired, too. */
  readonly servesExpired?: boolean;
  /** Serves a process that was revoked here, too: what it sends proves itself. */
  readonly servesRevoked?: boolean;
};

export type Route = Admission & {
  readonly operationId: string;
  readonly method: HttpMethod;
  /** With `{name}` parameters, as in OpenAPI. */
  readonly path: string;
  readonly summary: string;
  readonly tags?: readonly string[];
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: RequestBody;
  /** Of a `stream` answer: serves parts by `Range`, and HEAD as the operation of this id. */
  readonly servesRanges?: string;
  /** Of a `json` answer: it may have an `etag`, and is 304 to a request whose `If-None-Match` names that. */
  readonly revalidates?: true;
  readonly status: 200 | 201 | 202 | 204;
  readonly response: ResponseBody;
  /** Headers of a successful answer that callers rely on: name (lower case) to description. */
  readonly responseHeaders?: Readonly<Record<string, string>>;
  /** The codes that a caller should expect, beyond those of any server. */
  readonly errors: readonly ErrorCode[];
};

/** Keeps the literal types of a route, from which the client and the handler get their types. */
export const defineRoute = <const R extends Route>(route: R): R => route;

export type Api = {
  readonly title: string;
  readonly version: ApiVersion;
  readonly description: string;
  readonly routes: Readonly<Record<string, Route>>;
};
