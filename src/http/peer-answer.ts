/**
 * Interprets a peer's answer. Peers are other machines: an answer may be their error, rubbish from a proxy in between, or
 * a lie, and none of these may look like a fault of this process.
 */
import type { z } from 'zod';
import { ErrorBody } from '../api/wire.ts';
import type { ReportedCheck } from '../lib/check-report.ts';
import { type ErrorCode, errorCodes } from '../lib/error-codes.ts';
import { DepotError } from '../lib/errors.ts';
import { RETRY_AFTER_DETAIL } from './answers.ts';
import { codeByStatus } from './published-codes.ts';

/** The length of a quotation from a bad answer. */
const MAX_QUOTED_CHARS = 120;

const isErrorCode = (code: string | undefined): code is ErrorCode =>
  code !== undefined && Object.hasOwn(errorCodes, code);

/** `host:port` of a URL, for messages. */
export const peerName = (url: string): string => (URL.canParse(url) ? new URL(url).host : url);

/**
 * The error for an answer with an unexpected status: the peer's own code if it is a known one, in `depot_code` or, from an
 * earlier version, in `error_code`; otherwise, of an error in the published shape, the code for its status (PUC3), or
 * `PEER_BAD_ANSWER`. `detail` has `status`, and `retry_after_s` if the peer sent it.
 */
export const peerError = (
  peer: string,
  answer: { status: number; text: string; retryAfter: string | undefined },
): DepotError => {
  const body = ErrorBody.safeParse(parsedOrUndefined(answer.text)).data;
  const retryAfterS = Number(answer.retryAfter);
  const detail = {
    ...body?.detail,
    status: answer.status,
    peer,
    ...(answer.retryAfter !== undefined && retryAfterS >= 0 && { [RETRY_AFTER_DETAIL]: retryAfterS }),
    ...(body !== undefined && { peer_request_id: body.request_id }),
  };
  if (body !== undefined && answer.status >= 400) {
    const known = [body.depot_code, body.error_code].find(isErrorCode);
    const code = known ?? codeByStatus(answer.status) ?? 'PEER_BAD_ANSWER';
    return new DepotError(code, `${peer} answered ${answer.status}: ${body.message}`, {
      detail,
      report: (body.report ?? []) as readonly ReportedCheck[],
    });
  }
  const quoted = JSON.stringify(answer.text.slice(0, MAX_QUOTED_CHARS));
  return new DepotError('PEER_BAD_ANSWER', `${peer} answered ${answer.status} with ${quoted}`, { detail });
};

/**
 * The same, quoting nothing of the answer: it may come from any server that this process was sent to, and the error is shown
 * to the sender. Only the status, a known code and the seconds until a retry are taken from it.
 */
export const unquotedPeerError = (
  peer: string,
  answer: { status: number; text: string; retryAfter: string | undefined },
): DepotError => {
  const { code, detail } = peerError(peer, answer);
  const retryAfterS = detail[RETRY_AFTER_DETAIL];
  return new DepotError(code, `${peer} answered ${answer.status}`, {
    detail: {
      status: answer.status,
      peer,
      ...(typeof retryAfterS === 'number' && { [RETRY_AFTER_DETAIL]: retryAfterS }),
    },
  });
};

/** @throws DepotError `PEER_BAD_ANSWER` */
export const parseAnswer = <S extends z.ZodType>(peer: string, schema: S, text: string): z.output<S> => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const quoted = JSON.stringify(text.slice(0, MAX_QUOTED_CHARS));
    throw new DepotError('PEER_BAD_ANSWER', `${peer} answered with a text that is not JSON: ${quoted}`, {
      cause,
    });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new DepotError(
    'PEER_BAD_ANSWER',
    `${peer} answered with a body that violates its contract: ${issue?.path.join('.')}: ${issue?.message}`,
    { detail: { peer } },
  );
};

const parsedOrUndefined = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};
