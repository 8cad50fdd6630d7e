/** Shapes that every API shares: the error body and pages. */
import { z } from 'zod';
import { invisibleProblem } from '../lib/shown-text.ts';

declare const newerWord: unique symbol;
/** A word that this version does not know, from a newer server: it is shown, and decides nothing. */
export type NewerWord = string & { readonly [newerWord]: true };

/**
 * One of these words in an answer to an operator, or in what a sled reports. A newer process may have more of them, and what has one is
 * still read, as what has more fields is. What is asked of a process has `z.enum`: it does not do what it does not understand.
 */
export const answerWord = <const W extends string>(
  words: readonly W[],
): z.ZodType<W | NewerWord, W | NewerWord> => {
  const word = z
    .string()
    .refine(text => WORD.test(text), 'must be a word')
    .meta({ enum: [...words] });
  // Any word passes: one that is not of the list is a NewerWord, which nothing else is assignable to.
  return word as unknown as z.ZodType<W | NewerWord, W | NewerWord>;
};

const WORD = /^[a-z0-9_]{1,64}$/;

/** One check of a verification, in the order of the client workflow. */
export const CheckView = z
  .object({
    /** Of the TUF specification; null for a check of ours. */
    clause: z.string().nullable(),
    outcome: answerWord(['passed', 'failed', 'overridden', 'noted']),
    text: z.string(),
    role: z.string().optional(),
    version: z.number().int().min(0).optional(),
    expires: z.string().optional(),
    expires_in_days: z.number().int().optional(),
    key_ids: z.array(z.string()).readonly().optional(),
  })
  .meta({ id: 'Check' });
export type CheckView = z.infer<typeof CheckView>;

/** The body of every 4xx and 5xx answer. */
export const ErrorBody = z
  .object({
    request_id: z.string(),
    /** A word of the published APIs where they have one (src/http/published-codes.ts). */
    error_code: z.string().optional(),
    message: z.string(),
    /** Extra to the published shape: the code in docs/errors.md. */
    depot_code: z.string().optional(),
    /** Extra: facts of the error as values. */
    detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])).optional(),
    /** Extra: for a release that does not verify, its checks, the failed one last. */
    report: z.array(CheckView).optional(),
  })
  .meta({ id: 'Error' });
export type ErrorBody = z.infer<typeof ErrorBody>;

const DEFAULT_PAGE_LIMIT = 100;
/** A larger `limit` is reduced to this, since pages are held in memory. */
export const MAX_PAGE_LIMIT = 1000;

/** Longer than a token with every filter of a list. */
const MAX_PAGE_TOKEN_CHARS = 2_048;

/** At most 16 digits: neither empty, nor hexadecimal, nor rounded. Anything else is left for the schema to refuse. */
const digitsToNumber = (value: unknown): unknown =>
  typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : value;

/** A number in a query. */
export const queryNumber = <S extends z.ZodType<number>>(schema: S) => z.preprocess(digitsToNumber, schema);

export const PageQuery = z.object({
  limit: queryNumber(z.number().int().min(1).max(0xffff_ffff))
    .optional()
    .transform(limit => Math.min(limit ?? DEFAULT_PAGE_LIMIT, MAX_PAGE_LIMIT)),
  /** It carries the query that the list began with, so that a client need not send it again. */
  page_token: z.string().max(MAX_PAGE_TOKEN_CHARS).optional(),
});
export type PageQuery = z.infer<typeof PageQuery>;

export const resultsPage = <T extends z.ZodType>(item: T, id: string) =>
  z.object({ items: z.array(item), next_page: z.string().nullish() }).meta({ id });

/** A query flag: absent, `true` or `false`; anything else is an error. */
export const QueryFlag = z.enum(['true', 'false']).optional();
export const isSet = (flag: 'true' | 'false' | undefined): boolean => flag === 'true';

/** A text that a terminal, or a list, shows as what it is (SX3). */
export const isVisible = (text: string): boolean => invisibleProblem(text) === undefined;
export const NOT_VISIBLE = 'must have no control or other invisible characters';

/** The facts of a reason or an event, as values: `toDetails` of core/facts. A newer server may send any. */
export const Details = z.record(z.string(), z.unknown());

export const Timestamp = z.iso.datetime({ offset: true });

/** Reserved for decisions of the server: never read from the request. */
export const ByteCount = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
